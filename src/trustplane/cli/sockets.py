"""Where this machine's server and agent have their sockets, unless command line or environment say otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

SERVER_VARIABLE = "TRUSTPLANE_SERVER_SOCKET"
AGENT_VARIABLE = "TRUSTPLANE_AGENT_SOCKET"
WORKLOAD_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"  # SPIFFE Workload Endpoint §4


def run_dir() -> Path:
    """`/run/trustplane` for root, the login session's directory for anyone else."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    return Path("/run/trustplane") if os.geteuid() == 0 or not session else Path(session) / "trustplane"


def state_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/trustplane")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "trustplane"


ServerSocket = Annotated[
    Path,
    typer.Option(
        "--server-socket",
        envvar=SERVER_VARIABLE,
        default_factory=lambda: run_dir() / "server.sock",
        show_default="server.sock in the run directory",
        help="The server's admin socket.",
    ),
]
AgentSocket = Annotated[
    Path,
    typer.Option(
        "--agent-socket",
        envvar=AGENT_VARIABLE,
        default_factory=lambda: run_dir() / "agent.sock",
        show_default="agent.sock in the run directory",
        help="The agent's admin socket.",
    ),
]
WorkloadSocket = Annotated[
    str,
    typer.Option(
        "--socket",
        envvar=WORKLOAD_VARIABLE,
        default_factory=lambda: f"unix://{run_dir() / 'workload.sock'}",
        show_default="workload.sock in the run directory",
        help="The Workload API, as unix:///path or /path.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]

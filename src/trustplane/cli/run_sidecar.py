"""One sidecar in the foreground: Envoy as a child, drained when we are told to stop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from trustplane.cli.output import note
from trustplane.fault import Fault, Unavailable
from trustplane.host.envoy import EnvoySettings, Exited, running
from trustplane.spiffe.names import ServiceName


async def run_sidecar(of: ServiceName, settings: EnvoySettings, configuration: dict[str, object], agent: Path) -> None:
    """Until told to stop; `agent` is the socket it is configured from."""
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with running(settings, configuration) as envoy:
        note(f"envoy runs as pid {envoy.pid} for {of}; waiting for the agent on {agent}")
        stop = asyncio.create_task(told_to_stop.wait())
        ready = asyncio.create_task(envoy.ready())
        ended = asyncio.create_task(envoy.exited())
        try:
            await asyncio.wait((ready, stop), return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                _require_served(of, ready, agent)
                note(f"{of} is served; its own files are in {settings.directory}")
                await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
            if not stop.done():
                raise _ended(of, settings, await ended)
            await envoy.stop()
        finally:
            for task in (ready, stop, ended):
                task.cancel()


def _require_served(of: ServiceName, ready: asyncio.Task[None], agent: Path) -> None:
    failure = ready.exception()
    if failure is None:
        return
    raise Unavailable(
        code="sidecar-not-served",
        what=f"the sidecar of {of} was given no configuration",
        why=f"{failure.finding.why}" if isinstance(failure, Fault) else str(failure),
        fix=f"see that the agent runs and serves Envoys on {agent} (trustplane agent status), that {of} is applied, "
        "and that this is the user its selectors name",
    )


def _ended(of: ServiceName, settings: EnvoySettings, how: Exited) -> Unavailable:
    return Unavailable(
        code="envoy-ended",
        what=f"the Envoy of {of} ended with code {how.code}",
        why="; ".join(how.last_words[-3:]) or "it said nothing",
        fix=f"read {settings.directory / 'envoy.log'}, then start it again",
    )

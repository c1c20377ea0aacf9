"""One sidecar in the foreground: Envoy as a child, drained when we are told to stop."""

from __future__ import annotations

import asyncio
import signal

from trustplane.cli.output import note
from trustplane.fault import Unavailable
from trustplane.host.envoy import EnvoySettings, running
from trustplane.spiffe.names import ServiceName


async def run_sidecar(of: ServiceName, settings: EnvoySettings, configuration: dict[str, object]) -> None:
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

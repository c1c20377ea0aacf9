"""Ending a process in good order: the first SIGTERM or SIGINT asks it to stop."""

from __future__ import annotations

import asyncio
import signal


async def until_asked_to_stop() -> None:
    """Return at the first SIGTERM or SIGINT; a second one ends the process at once, as by default."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, asked.set)
    await asked.wait()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(one)

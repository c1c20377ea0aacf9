"""HTTP doors of the server process: each open before it goes on, and gone with the doors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from contextlib import AsyncExitStack

from trustplane.flows.feed import Feed
from trustplane.host.tls_context import present
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.http_serve import HttpServer


async def serve_http(server: HttpServer, tasks: asyncio.TaskGroup, doors: AsyncExitStack) -> None:
    in_background(server.run_until_cancelled(), tasks, doors)
    # If it cannot start, the group ends and this wait with it.
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to await
        await asyncio.sleep(0.01)


def in_background(work: Coroutine[None, None, None], tasks: asyncio.TaskGroup, doors: AsyncExitStack) -> None:
    """Ends with the doors. When it fails before, so does the server: half a server is worse than none."""
    task = tasks.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    doors.push_async_callback(end)


async def present_each(context: ssl.SSLContext, identity: Feed[KeyedSvid | None]) -> None:
    async for keyed in identity.values():
        if keyed is not None:
            present(context, keyed)

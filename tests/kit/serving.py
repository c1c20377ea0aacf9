"""An ASGI application on a Unix socket, served from a thread, for clients that block."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from starlette.types import ASGIApp

from trustplane.host.unix_socket import PRIVATE, listen
from trustplane.wire.http_serve import HttpServer


@contextlib.contextmanager
def served(app: ASGIApp, path: Path) -> Iterator[Path]:
    listening = listen(path, PRIVATE)
    server = HttpServer(app, listening.listener)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening.listener])))
    thread.start()
    try:
        yield path
    finally:
        server.should_exit = True
        thread.join()
        listening.close()

"""An ASGI application on a listening socket, with uvicorn told to bound what a stranger may take.

The caller opens the socket: a Unix socket by `host.unix_socket`, TCP by `tcp_listener`. Signals stay with the process:
uvicorn installs no handlers here.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from trustplane.fault import Refused

MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 512
FIRST_REQUEST_WITHIN_SECONDS = 10.0


class HttpServer(uvicorn.Server):
    """One application on one socket, until cancelled."""

    def __init__(self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_ImpatientH11,
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=3,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                ssl_certfile="set-by-context" if tls else None,
                ssl_context_factory=(lambda _config, _default: tls) if tls else None,
            )
        )
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_until_cancelled(self) -> None:
        serving = asyncio.ensure_future(self.serve(sockets=[self._listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise


class _ImpatientH11(H11Protocol):
    """Closes a connection whose first request has not arrived whole; uvicorn's own timeout starts only after one."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._patience = self.loop.call_later(FIRST_REQUEST_WITHIN_SECONDS, transport.close)

    def handle_events(self) -> None:
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._patience:
            self._patience.cancel()


def tcp_listener(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 asks the kernel for a free one."""
    try:
        return socket.create_server(
            (host.strip("[]"), port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except OSError as error:
        raise _cannot_listen(f"{host}:{port}", error) from error


def _cannot_listen(where: str, error: OSError) -> Refused:
    if error.errno == errno.EADDRINUSE:
        return Refused(
            code="address-in-use",
            what=f"cannot listen on {where}",
            why="another process listens there",
            fix="stop it (`ss -ltnp` names it) or choose another address",
        )
    return Refused(
        code="cannot-listen",
        what=f"cannot listen on {where}",
        why=error.strerror or str(error),
        fix="check that the directory exists and is writable, and that the address belongs to this machine",
    )

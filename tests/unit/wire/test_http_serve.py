from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.unix_socket import PRIVATE, listen
from trustplane.wire import http_serve
from trustplane.wire.http_routes import Access, Call, Operation, Raw, application
from trustplane.wire.http_serve import HttpServer

pytestmark = pytest.mark.network


async def _pong(_: Call) -> Raw:
    return Raw(b"pong", "text/plain")


APP = application([Operation("GET", "/ping", "ping", "answers", Access.OPEN, "text/plain", _pong)])


async def _said(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def _while_served(path: Path, *requests: bytes) -> list[bytes]:
    listening = listen(path, PRIVATE)
    serving = asyncio.create_task(HttpServer(APP, listening.listener).run_until_cancelled())
    try:
        return [await _said(path, request) for request in requests]
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        listening.close()


def test_a_request_over_a_private_unix_socket_is_answered(socket_dir: Path) -> None:
    [answer] = asyncio.run(
        _while_served(socket_dir / "s", b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"pong")
    assert b"uvicorn" not in answer.lower()


def test_headers_without_end_are_cut_off(socket_dir: Path) -> None:
    endless = b"GET /ping HTTP/1.1\r\n" + b"X: " + b"y" * (http_serve.MAX_HEADER_BYTES + 1024)
    [answer] = asyncio.run(_while_served(socket_dir / "s", endless))
    assert b" 400 " in answer.partition(b"\r\n")[0]


def test_a_connection_that_asks_nothing_is_closed(socket_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_serve, "FIRST_REQUEST_WITHIN_SECONDS", 0.05)
    assert asyncio.run(_while_served(socket_dir / "s", b"", b"GET /ping HT")) == [b"", b""]


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Refused) as refused:
        http_serve.tcp_listener("127.0.0.1", taken.getsockname()[1])
    assert refused.value.code == "address-in-use"

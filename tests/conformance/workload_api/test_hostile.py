"""Hostile processes on the public socket: they may lose their own connection, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import h2.config
import h2.connection
import h2.events
import pytest

from tests.kit.workload import Endpoint, entry, workload_endpoint
from trustplane.host.relay import RelayLimits
from trustplane.wire.gen.workload import messages_pb2
from trustplane.wire.gen.workload.service_pb2_grpc import SpiffeWorkloadAPIStub
from trustplane.wire.workload_api import HEADER
from trustplane.wire.workload_client import WorkloadClient

pytestmark = pytest.mark.network

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
HEADERS_TYPE, RST_TYPE, CONTINUATION_TYPE, UNKNOWN_TYPE = 0x1, 0x3, 0x9, 0x99
END_STREAM = END_OF_BODY = 0x1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class RawClient:
    """One HTTP/2 connection that also sends what no library would."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def call(self, method: str, body: bytes, *, end: bool = True) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(
            stream,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", f"/SpiffeWorkloadAPI/{method}"),
                (":authority", "localhost"),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                HEADER,
            ],
        )
        self.h2.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    def status_of(self, stream: int) -> str:
        """The gRPC status, or `data` when a message comes first."""
        while chunk := self.socket.recv(65536):
            for event in self.h2.receive_data(chunk):
                if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                    return "data"
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    headers = {str(name): str(value) for name, value in event.headers or ()}
                    if event.stream_id == stream and "grpc-status" in headers:
                        return headers["grpc-status"]
                if isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
                    return "reset"
            self.flush()
        return "closed"


EMPTY_MESSAGE = b"\x00\x00\x00\x00\x00"


def attacked(folder: Path, attack: Callable[[Endpoint], None], limits: RelayLimits | None = None) -> None:
    """While the attack runs in a thread and after it, another client is served."""

    async def scenario() -> None:
        async with workload_endpoint(folder, [entry("web")], limits=limits) as endpoint:
            async with WorkloadClient(endpoint.address) as before:
                watching = before.watch_x509()
                await anext(watching)
                attacking = asyncio.ensure_future(asyncio.to_thread(attack, endpoint))
                async with WorkloadClient(endpoint.address) as during:
                    assert (await during.fetch_x509()).identities
                await attacking
                endpoint.identities.publish(endpoint.issuing.held([entry("api")]))
                (renewed,) = (await anext(watching)).identities
                assert str(renewed[0].svid.spiffe_id).endswith("/api")
            async with WorkloadClient(endpoint.address) as after:
                assert (await after.fetch_x509()).identities

    asyncio.run(scenario())


def test_unknown_frames_are_ignored(socket_dir: Path) -> None:
    def attack(endpoint: Endpoint) -> None:
        client = RawClient(endpoint.path)
        with client.socket:
            for _ in range(100):
                client.socket.sendall(frame(UNKNOWN_TYPE, 0xFF, 0, b"surprise"))
            assert client.status_of(client.call("FetchX509SVID", EMPTY_MESSAGE)) == "data"

    attacked(socket_dir, attack)


def test_a_message_that_declares_two_gibibytes_is_refused_at_once(socket_dir: Path) -> None:
    def attack(endpoint: Endpoint) -> None:
        client = RawClient(endpoint.path)
        with client.socket:
            stream = client.call("ValidateJWTSVID", b"\x00\x7f\xff\xff\xff" + b"x" * 1000, end=False)
            assert client.status_of(stream) == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])

    attacked(socket_dir, attack)


def test_a_flood_of_continuation_frames_ends_only_its_own_connection(socket_dir: Path) -> None:
    def attack(endpoint: Endpoint) -> None:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.settimeout(30)
            client.connect(str(endpoint.path))
            client.sendall(PREFACE + SETTINGS + frame(HEADERS_TYPE, END_STREAM, 1, b"\x82"))
            for _ in range(200):
                client.sendall(frame(CONTINUATION_TYPE, 0, 1, b"\x00\x01a\x01b" * 20) * 100)

    attacked(socket_dir, attack)


def test_rapid_resets_leave_others_served(socket_dir: Path) -> None:
    def attack(endpoint: Endpoint) -> None:
        client = RawClient(endpoint.path)
        with client.socket, contextlib.suppress(OSError):
            for _ in range(3000):
                stream = client.call("FetchX509SVID", EMPTY_MESSAGE)
                client.h2.reset_stream(stream)
                client.flush()

    attacked(socket_dir, attack)


def test_a_user_who_takes_every_connection_takes_only_their_own(socket_dir: Path) -> None:
    def attack(endpoint: Endpoint) -> None:
        clients = []
        for _ in range(300):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(endpoint.path))
            clients.append(client)
        for client in clients:
            client.close()

    attacked(socket_dir, attack, RelayLimits(connections=1000, connections_per_uid=500))


def test_bytes_that_are_not_http2_end_only_their_own_connection(socket_dir: Path) -> None:
    seed = random.Random(50)

    def attack(endpoint: Endpoint) -> None:
        for _ in range(100):
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(str(endpoint.path))
                start = seed.choice([b"", PREFACE, PREFACE + SETTINGS, b"GET / HTTP/1.1\r\n\r\n"])
                client.sendall(start + seed.randbytes(seed.randrange(2000)))

    attacked(socket_dir, attack)


def test_messages_that_are_not_protobuf_are_refused_and_nothing_else_happens(socket_dir: Path) -> None:
    seed = random.Random(51)
    allowed = {grpc.StatusCode.INVALID_ARGUMENT}

    async def scenario() -> None:
        async with workload_endpoint(socket_dir, [entry("web")]) as endpoint:
            async with grpc.aio.insecure_channel(endpoint.address) as channel:
                for number in range(300):
                    method = ("FetchJWTSVID", "ValidateJWTSVID")[number % 2]
                    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
                    call = channel.unary_unary(f"/SpiffeWorkloadAPI/{method}")
                    with pytest.raises(grpc.aio.AioRpcError) as refusal:
                        await call(garbage(seed), metadata=(HEADER,), timeout=30)
                    assert refusal.value.code() in allowed, refusal.value
            async with WorkloadClient(endpoint.address) as after:
                assert (await after.fetch_x509()).identities

    asyncio.run(scenario())


def garbage(seed: random.Random) -> bytes:
    """Often close to a message: a field of either request with a length that may lie."""
    content = seed.randbytes(seed.randrange(300))
    if seed.random() < 0.5:
        return content or b"\xff"
    return bytes([seed.choice([0x0A, 0x12])]) + bytes([seed.randrange(128)]) + content


def test_a_burst_of_streams_loses_none(socket_dir: Path) -> None:
    """Above its default number of pending calls gRPC answers CANCELLED at random, after which clients never return."""

    async def fetched(channel: grpc.aio.Channel) -> grpc.StatusCode:
        call = SpiffeWorkloadAPIStub(channel).FetchX509SVID(messages_pb2.X509SVIDRequest(), metadata=(HEADER,))
        try:
            async for _ in call:
                return grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.UNKNOWN

    async def scenario() -> None:
        async with workload_endpoint(socket_dir, [entry("web")]) as endpoint, contextlib.AsyncExitStack() as stack:
            options = [("grpc.use_local_subchannel_pool", 1)]
            channels = [
                await stack.enter_async_context(grpc.aio.insecure_channel(endpoint.address, options=options))
                for _ in range(10)
            ]
            answers = await asyncio.gather(*(fetched(channel) for channel in channels for _ in range(250)))
            assert Counter(answers) == {grpc.StatusCode.OK: 2500}

    asyncio.run(scenario())

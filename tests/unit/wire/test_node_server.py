"""The agent doors speak TLS 1.3 to clients our roots vouch for, and show a new certificate without a restart."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.node_channel import Doors
from tests.kit.node_line import AGENT, Domain
from tests.kit.sidecars import keyed
from trustplane.fault import Refused
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc
from trustplane.wire.node_server import open_door

pytestmark = pytest.mark.network


def run(play: Callable[[Doors], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60), Doors().open() as doors:
            await play(doors)

    asyncio.run(bounded())


def shown(port: int, context: ssl.SSLContext) -> tuple[str | None, x509.Certificate]:
    """The TLS version agreed on and the certificate shown."""
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname="server.acme.example") as secure,
    ):
        der = secure.getpeercert(binary_form=True)
        assert der is not None
        return secure.version(), x509.load_der_x509_certificate(der)


def anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# In a process of its own: gRPC reads what it may speak when it is imported, and here somebody imported it long ago.
VERSIONS = """
import trustplane.wire, asyncio, ssl
from tests.kit.node_channel import Doors
from tests.unit.wire.test_node_server import anyone, shown

def tried(port, newest):
    context = anyone()
    context.maximum_version = newest
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        return shown(port, context)[0]
    except (ssl.SSLError, ConnectionError):
        return "refused"

async def play():
    async with Doors().open() as doors:
        for port in (doors.node_port, doors.enrolment_port):
            for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                print(await asyncio.to_thread(tried, port, newest))

asyncio.run(play())
"""


def test_tls_1_3_is_spoken_and_nothing_older() -> None:
    ran = subprocess.run([sys.executable, "-c", VERSIONS], capture_output=True, text=True, timeout=100, check=False)
    assert ran.stdout.split() == ["refused", "TLSv1.3"] * 2, ran.stderr


def test_a_new_identity_is_shown_to_the_next_who_connects() -> None:
    async def play(doors: Doors) -> None:
        _, before = await asyncio.to_thread(shown, doors.enrolment_port, anyone())
        assert before == doors.identity.svid.leaf
        doors.identity = doors.server_identity()
        _, after = await asyncio.to_thread(shown, doors.enrolment_port, anyone())
        assert after == doors.identity.svid.leaf != before

    run(play)


async def greet(doors: Doors, identity: KeyedSvid) -> None:
    async with doors.agent_channel(identity) as channel:
        await node_pb2_grpc.NodeStub(channel).Greet(node_pb2.Greeting(nonce=bytes(32)), timeout=20)


def test_a_client_of_another_root_is_not_spoken_to_until_that_root_is_trusted() -> None:
    async def play(doors: Doors) -> None:
        other = Domain()
        stranger = keyed(other.issuing, AGENT)
        await greet(doors, doors.agent_identity())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await greet(doors, stranger)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        server_roots = doors.roots
        doors.roots = server_roots + other.bundle().x509_pem()
        await greet(doors, stranger)

    run(play)


def test_a_client_whose_certificate_expired_is_not_spoken_to() -> None:
    async def play(doors: Doors) -> None:
        at = doors.clock.now()
        expired = keyed(doors.domain.issuing, AGENT, not_after=at.replace(year=at.year - 1))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await greet(doors, expired)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    run(play)


def test_an_address_that_is_taken_is_refused_by_name() -> None:
    async def play(doors: Doors) -> None:
        with pytest.raises(Refused) as caught:
            open_door(f"127.0.0.1:{doors.node_port}", doors.tls, clients_have_certificates=True)
        assert caught.value.code == "address-in-use"
        await asyncio.sleep(0)

    run(play)


def test_a_key_of_a_server_is_never_printed() -> None:
    doors = Doors()
    assert "PRIVATE" not in repr(doors.tls())


def test_openssl_believes_what_is_shown(tmp_path: Path) -> None:
    async def play(doors: Doors) -> None:
        roots = tmp_path / "roots.pem"
        roots.write_bytes(doors.roots)
        context = ssl.create_default_context(cafile=str(roots))
        _, leaf = await asyncio.to_thread(shown, doors.enrolment_port, context)
        assert leaf.public_bytes(Encoding.DER) == doors.chain()[0]

    run(play)

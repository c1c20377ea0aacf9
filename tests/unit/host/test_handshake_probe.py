"""A probe is accepted only when the other side says so over HTTP/2, by whom it should, under a root of ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.kit.node_line import ACME, Domain
from tests.kit.sidecars import keyed
from trustplane.fault import Refused, Unavailable
from trustplane.host.handshake_probe import knock
from trustplane.host.tls_context import server_context
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, probe_id

pytestmark = pytest.mark.network

OURS, OTHERS = Domain(), Domain()
WEB = SpiffeId(ACME, ("ns", "shop", "sa", "web"))
OTHER_ID = SpiffeId(ACME, ("ns", "shop", "sa", "other"))
SETTINGS = bytes(3) + b"\x04" + bytes(5)
GOAWAY = b"\x00\x00\x08\x07" + bytes(5) + bytes(8)


@asynccontextmanager
async def listening(
    trusted: Bundle, folder: Path, says: bytes = SETTINGS, speaks: Sequence[str] = ("h2",)
) -> AsyncIterator[int]:
    """A sidecar's inbound listener, as far as a handshake goes."""
    context = server_context(keyed(OURS.issuing, WEB))
    roots = folder / "roots.pem"
    roots.write_bytes(trusted.x509_pem())
    context.load_verify_locations(roots)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(list(speaks))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def code_of_probe(
    trusted: Bundle,
    folder: Path,
    *,
    known: Bundle | None = None,
    expected: SpiffeId = WEB,
    says: bytes = SETTINGS,
    speaks: Sequence[str] = ("h2",),
) -> str:
    async def main() -> str:
        probe = keyed(OURS.issuing, probe_id(ACME, NodeName("node-a")))
        async with listening(trusted, folder, says, speaks) as port:
            try:
                await knock("127.0.0.1", port, probe, known or OURS.bundle(), expected)
            except (Refused, Unavailable) as fault:
                return fault.code
            return "accepted"

    return asyncio.run(main())


def test_who_trusts_the_root_lets_the_probe_in(tmp_path: Path) -> None:
    assert code_of_probe(OURS.bundle(), tmp_path) == "accepted"


def test_who_does_not_trust_the_root_is_found_out_although_tls_1_3_says_so_late(tmp_path: Path) -> None:
    assert code_of_probe(OTHERS.bundle(), tmp_path) == "probe-refused"


def test_a_sidecar_under_a_root_unknown_here_proves_nothing(tmp_path: Path) -> None:
    assert code_of_probe(OURS.bundle(), tmp_path, known=OTHERS.bundle()) == "probe-met-stranger"


def test_another_identity_there_proves_nothing(tmp_path: Path) -> None:
    assert code_of_probe(OURS.bundle(), tmp_path, expected=OTHER_ID) == "probe-met-another"


@pytest.mark.parametrize("says", [b"", b"\x00", GOAWAY, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_whatever_is_said_instead_of_settings_proves_nothing(tmp_path: Path, says: bytes) -> None:
    assert code_of_probe(OURS.bundle(), tmp_path, says=says) == "probe-refused"


def test_who_speaks_no_http_2_or_no_tls_was_never_asked(tmp_path: Path) -> None:
    assert code_of_probe(OURS.bundle(), tmp_path, speaks=["http/1.1"]) == "probe-without-http2"

    async def main() -> str:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"no TLS here, good day\r\n")
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            probe = keyed(OURS.issuing, probe_id(ACME, NodeName("node-a")))
            with pytest.raises(Refused) as refused:
                await knock("127.0.0.1", server.sockets[0].getsockname()[1], probe, OURS.bundle(), WEB)
            return refused.value.code

    assert asyncio.run(main()) == "probe-without-handshake"


def test_where_nobody_listens_nobody_has_refused() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        probe = keyed(OURS.issuing, probe_id(ACME, NodeName("node-a")))
        with pytest.raises(Unavailable) as unavailable:
            await knock("127.0.0.1", port, probe, OURS.bundle(), WEB)
        assert unavailable.value.code == "probe-unanswered"

    asyncio.run(main())

"""A TLS 1.3 handshake made to see whether the certificate shown in it is accepted.

Under TLS 1.3 a client is through before the server has judged its certificate, so the handshake alone proves nothing.
Proof is the first frame of HTTP/2, SETTINGS, which a server sends once the handshake is complete on its side.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from trustplane.fault import Refused, Unavailable
from trustplane.host.tls_context import present
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

WITHIN_SECONDS = 5.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)  # and empty SETTINGS (RFC 9113 §3.4)
_FRAME_HEADER = 9
_SETTINGS = 4


async def knock(address: str, port: int, identity: KeyedSvid, trusted: Bundle, expected: SpiffeId) -> None:
    """Returns when `expected`, there, lets `identity` in. Refused when it does not, Unavailable when nobody says.

    `probe-refused` is said only of who has shown itself to be `expected`; other codes mean that it was never asked.
    """
    where = f"{expected} at {address}:{port}"
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            reader, writer = await _connected(address, port, _context(identity, trusted), where)
            await _handshake(reader, writer, expected)
    except (ssl.SSLError, EOFError, ConnectionResetError, BrokenPipeError) as error:
        raise Refused(
            code="probe-refused",
            what=f"{where} did not accept the certificate shown to it",
            why=_said(error),
            fix="it must take up the newest bundle: trustplane agent status, and the end of the sidecar's log",
        ) from None
    except (OSError, TimeoutError) as error:
        raise Unavailable(
            code="probe-unanswered",
            what=f"{where} does not answer",
            why=_said(error),
            fix="see whether that sidecar runs: trustplane agent status",
        ) from None


def _context(identity: KeyedSvid, trusted: Bundle) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the SPIFFE ID is compared instead
    context.load_verify_locations(cadata=trusted.x509_pem().decode())
    context.set_alpn_protocols(["h2"])
    present(context, identity)
    return context


async def _connected(
    address: str, port: int, context: ssl.SSLContext, where: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Once the other side has shown who it is, and before it has said what it thinks of us."""
    try:
        return await asyncio.open_connection(address, port, ssl=context, server_hostname="")
    except ssl.SSLCertVerificationError as error:
        raise Refused(
            code="probe-met-stranger",
            what=f"{where} shows a certificate that this node does not trust",
            why=_said(error),
            fix="see which process listens there, and whether this node holds the newest bundle of that trust domain",
        ) from None
    except (ssl.SSLError, EOFError, ConnectionResetError, BrokenPipeError) as error:
        raise Refused(
            code="probe-without-handshake",
            what=f"{where} ended the handshake before a certificate was shown to it",
            why=_said(error),
            fix="see which process listens there: ss -ltnp; it must speak TLS 1.3",
        ) from None


async def _handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, expected: SpiffeId) -> None:
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        found = X509Svid.from_der((shown,)).spiffe_id
        if found != expected:
            raise Refused(
                code="probe-met-another",
                what=f"{found} answered where {expected} should",
                why="another sidecar has taken that port",
                fix="see which process listens there: ss -ltnp",
            )
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise Refused(
                code="probe-without-http2",
                what=f"{expected} does not speak HTTP/2, so nothing shows whether it accepted a certificate",
                why="under TLS 1.3 a client is through before it is judged; the first frame of HTTP/2 is the proof",
                fix="give that listener ALPN with h2",
            )
        writer.write(_PREFACE)
        await writer.drain()
        header = await reader.readexactly(_FRAME_HEADER)
        if header[3] != _SETTINGS:
            raise EOFError(f"the first frame is of type {header[3]}")
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]

"""One handshake made to look at the other side: its chain, whatever it is worth, and what it does with ours.

Nothing is verified here and nothing is sent after the handshake; what was seen is for others to judge. Under TLS 1.3 a
server that refuses says so only after we are done, so its answer is awaited for a moment.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

from trustplane.fault import Refused
from trustplane.host.tls_context import present
from trustplane.spiffe.x509_svid import KeyedSvid

CONNECTED_WITHIN: Final = timedelta(seconds=10)
REFUSED_WITHIN: Final = timedelta(seconds=1)
MAX_CHAIN: Final = 20


@dataclass(frozen=True, slots=True)
class PemFiles:
    """A certificate chain and its key, as files."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Handshake:
    """`chain` is DER, leaf first. `error` is what went wrong, in Python's words; empty when nothing did."""

    chain: tuple[bytes, ...] = ()
    tls: str = ""
    cipher: str = ""
    local: str = ""
    error: str = ""
    finished: bool = False


def shake_hands(address: tuple[str, int], identity: KeyedSvid | PemFiles | None, server_name: str) -> Handshake:
    try:
        context = _context(identity)
        with socket.create_connection(address, CONNECTED_WITHIN.total_seconds()) as plain:
            host, port = plain.getsockname()[:2]
            return _over(plain, context, server_name, f"{host}:{port}")
    except (OSError, ValueError) as error:
        return Handshake(error=f"{type(error).__name__}: {error}")


def _context(identity: KeyedSvid | PemFiles | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what it presents is to be seen, above all when it is wrong
    match identity:
        case KeyedSvid():
            present(context, identity)
        case PemFiles():
            _load(context, identity)
        case None:
            pass
    return context


def _load(context: ssl.SSLContext, files: PemFiles) -> None:
    try:
        context.load_cert_chain(files.chain, files.key)
    except OSError as error:
        raise Refused(
            code="cannot-present",
            what=f"{files.chain} with the key in {files.key} cannot be presented",
            why=str(error),
            fix="give a PEM chain, leaf first, with --cert, and the key of its leaf with --key",
        ) from error


def _over(plain: socket.socket, context: ssl.SSLContext, server_name: str, local: str) -> Handshake:
    with context.wrap_socket(plain, server_hostname=server_name or None, do_handshake_on_connect=False) as tls:
        try:
            tls.do_handshake()
        except OSError as error:
            return Handshake(_chain(tls), tls.version() or "", "", local, f"{type(error).__name__}: {error}")
        cipher = tls.cipher()
        seen = (_chain(tls), tls.version() or "", cipher[0] if cipher else "", local)
        return Handshake(*seen, error=_refusal(tls), finished=True)


def _refusal(tls: ssl.SSLSocket) -> str:
    """A server that waits for our request has taken us."""
    tls.settimeout(REFUSED_WITHIN.total_seconds())
    try:
        content = tls.recv(1)
    except TimeoutError:
        return ""
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "" if content else "SSLEOFError: EOF occurred in violation of protocol: closed after the handshake"


def _chain(tls: ssl.SSLSocket) -> tuple[bytes, ...]:
    """All that was presented. Before Python 3.13 only the object inside has it."""
    inner = getattr(tls, "_sslobj", None)
    presented = getattr(tls, "get_unverified_chain", None) or getattr(inner, "get_unverified_chain", None)
    if inner is None or tls.version() is None:
        return ()
    found = presented() if presented is not None else None
    ders = [one if isinstance(one, bytes) else cast("bytes", one.public_bytes(_DER)) for one in found or ()]
    return tuple(ders[:MAX_CHAIN])


_DER: Final = 2  # _ssl.ENCODING_DER, which has no public name before Python 3.13

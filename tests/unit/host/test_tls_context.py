"""A server shows its newest identity over TLS 1.3, and no key of it is ever in a file."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.kit.node_line import ACME, Domain
from tests.kit.sidecars import keyed
from trustplane.host.tls_context import present, server_context
from trustplane.spiffe.names import NodeName, server_id
from trustplane.spiffe.x509_svid import KeyedSvid

DOMAIN = Domain()


def identity() -> KeyedSvid:
    return keyed(DOMAIN.issuing, server_id(ACME, NodeName("s1")), dns=("server.acme.example",))


def client() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=DOMAIN.bundle().x509_pem().decode())


def shown(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str | None, bytes | None]:
    """TLS version and certificate as the client sees them, over a pair of sockets."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            try:
                with server.wrap_socket(theirs, server_side=True) as secure:
                    secure.recv(1)
            except (ssl.SSLError, OSError):
                return  # the client says what went wrong

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname="server.acme.example") as secure:
            secure.sendall(b"x")
            return secure.version(), secure.getpeercert(binary_form=True)
    finally:
        serving.join()


def test_the_whole_chain_is_shown_over_tls_1_3() -> None:
    one = identity()
    assert shown(server_context(one), client()) == ("TLSv1.3", one.svid.der()[0])


def test_an_older_tls_is_not_spoken() -> None:
    old = client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shown(server_context(identity()), old)


def test_the_next_handshake_shows_the_newest_identity() -> None:
    context, newest = server_context(identity()), identity()
    present(context, newest)
    assert shown(context, client())[1] == newest.svid.der()[0]


def test_nothing_is_left_open_or_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = {one.name for one in Path("/proc/self/fd").iterdir()}
    context = server_context(identity())
    present(context, identity())
    assert {one.name for one in Path("/proc/self/fd").iterdir()} == before
    assert list(tmp_path.iterdir()) == []

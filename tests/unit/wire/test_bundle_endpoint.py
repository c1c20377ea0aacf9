"""Endpoints as they should be, and as nobody should make them: each on a socket of its own, with real TLS."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.bundle_endpoint import (
    DOCUMENT,
    ENDPOINT_ID,
    HELD,
    LONG_AGO,
    LOOPBACK,
    US,
    WEB_CA,
    Behaviour,
    Endpoint,
    answering,
    endpoint,
    relation,
    saying,
    until,
)
from tests.kit.partner import PARTNER, Partner
from trustplane.fault import Fault
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.bundle_document import MAX_DOCUMENT_BYTES
from trustplane.spiffe.federation_endpoint import EndpointProfile, EndpointUrl
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.patterns import IdPattern
from trustplane.wire.bundle_endpoint import MAX_REDIRECTS, BundleEndpoints

pytestmark = pytest.mark.network


def fetched(one: Endpoint, trusted: Bundle | None = HELD, seconds: float = 20.0) -> bytes:
    return asyncio.run(BundleEndpoints(seconds=seconds).fetch(relation(one.url()), trusted))


def refusal(one: Endpoint, trusted: Bundle | None = HELD, seconds: float = 20.0) -> str:
    with pytest.raises(Fault) as fault:
        fetched(one, trusted, seconds)
    return fault.value.code


def test_fe_5_https_spiffe_serves_the_document_as_it_is(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        assert fetched(one) == DOCUMENT
        (asked,) = one.requests
        assert asked.startswith(b"GET /bundle HTTP/1.1\r\n")


def test_fe_9_no_credentials_are_sent(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        fetched(one)
        (asked,) = one.requests
        assert b"authorization" not in asked.lower()
        assert b"cookie" not in asked.lower()
        assert one.client_certificates == [None]


def test_fe_9_content_type_and_length_are_not_insisted_on(tmp_path: Path) -> None:
    def plainly(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + DOCUMENT)

    with endpoint(tmp_path, plainly) as one:
        assert fetched(one) == DOCUMENT


def test_fe_12_the_endpoint_shows_a_valid_x509_svid(tmp_path: Path) -> None:
    with endpoint(tmp_path, uris=(str(ENDPOINT_ID), "spiffe://partner.example/other")) as one:
        assert refusal(one) == "svid-uri-sans"
        assert one.requests == []
    with endpoint(tmp_path, not_after=LONG_AGO) as one:
        assert refusal(one) == "endpoint-not-verified"


def test_fe_13_the_endpoint_has_exactly_the_id_that_is_pinned(tmp_path: Path) -> None:
    with endpoint(tmp_path, spiffe_id=SpiffeId(PARTNER, ("trustplane", "server", "server-2"))) as one:
        assert refusal(one) == "endpoint-not-verified"
        assert one.requests == [], "nothing was asked of somebody else"


def test_fe_13_only_the_bundle_given_vouches_for_the_endpoint(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        assert refusal(one, Partner().bundle()) == "endpoint-not-verified"
        assert refusal(one, Bundle(PARTNER, ())) == "endpoint-unverifiable"
        assert refusal(one, None) == "endpoint-unverifiable"
        assert one.requests == []


def web(one: Endpoint, host: str, authorities: Path | None) -> bytes:
    url = EndpointUrl(f"https://{host}:{one.port}/bundle")
    return asyncio.run(BundleEndpoints(authorities).fetch(relation(url, EndpointProfile.HTTPS_WEB), None))


def test_fe_10_https_web_is_verified_by_its_host_name_and_local_authorities(tmp_path: Path) -> None:
    authorities = tmp_path / "web.pem"
    authorities.write_bytes(WEB_CA.certificate.public_bytes(Encoding.PEM))
    with endpoint(tmp_path, ca=WEB_CA, uris=(), dns=("localhost",)) as one:
        assert web(one, "localhost", authorities) == DOCUMENT
        for host, trusted in ((LOOPBACK, authorities), ("localhost", None)):
            with pytest.raises(Fault) as fault:
                web(one, host, trusted)
            assert fault.value.code == "endpoint-not-verified"


def test_fe_6_one_profile_is_never_tried_after_the_other(tmp_path: Path) -> None:
    authorities = tmp_path / "web.pem"
    authorities.write_bytes(WEB_CA.certificate.public_bytes(Encoding.PEM))
    with endpoint(tmp_path) as spiffe, endpoint(tmp_path, ca=WEB_CA, uris=(), dns=("localhost",)) as by_name:
        with pytest.raises(Fault):
            web(spiffe, "localhost", authorities)
        assert refusal(by_name) == "endpoint-not-verified"
        assert (spiffe.requests, by_name.requests) == ([], [])


def test_fe_14_a_redirect_is_followed_to_the_same_identity(tmp_path: Path) -> None:
    with endpoint(tmp_path) as target, endpoint(tmp_path) as first:
        first.behave = answering("302 Found", b"", f"Location: {target.url('/elsewhere')}")
        assert fetched(first) == DOCUMENT
        assert target.requests[0].startswith(b"GET /elsewhere ")
        first.behave = answering("307 Temporary Redirect", b"", "Location: /elsewhere")
        with pytest.raises(Fault, match="redirected more than"):
            fetched(first)


def test_fe_9_a_redirect_to_another_identity_or_url_scheme_is_refused(tmp_path: Path) -> None:
    stranger = SpiffeId(PARTNER, ("somebody", "else"))
    with endpoint(tmp_path, spiffe_id=stranger) as other, endpoint(tmp_path) as first:
        first.behave = answering("302 Found", b"", f"Location: {other.url()}")
        assert refusal(first) == "endpoint-not-verified"
        assert other.requests == []
        for location in (f"http://{LOOPBACK}/", f"https://u@{LOOPBACK}/", "file:///etc/passwd"):
            first.behave = answering("302 Found", b"", f"Location: {location}")
            assert refusal(first) == "bad-endpoint-url"


def test_a_redirect_loop_ends(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        one.behave = answering("302 Found", b"", f"Location: {one.url()}")
        assert refusal(one) == "endpoint-redirects"
        assert len(one.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("behave", "code"),
    [
        (answering("404 Not Found", b"no"), "endpoint-without-bundle"),
        (answering("500 Oops", DOCUMENT), "endpoint-without-bundle"),
        (answering("200 OK", DOCUMENT, "Content-Encoding: gzip"), "bundle-encoded"),
        (answering("200 OK", b" " * (MAX_DOCUMENT_BYTES + 1)), "bundle-too-large"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "endpoint-not-http"),
        (saying(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n"), "endpoint-not-http"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), "endpoint-not-http"),
        (saying(b""), "endpoint-unreachable"),
    ],
)
def test_what_is_no_answer_is_named(tmp_path: Path, behave: Behaviour, code: str) -> None:
    with endpoint(tmp_path, behave) as one:
        assert refusal(one) == code


def test_an_endless_body_is_read_up_to_the_bound(tmp_path: Path) -> None:
    def endless(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    with endpoint(tmp_path, endless) as one:
        assert refusal(one) == "bundle-too-large"


def test_a_peer_that_is_silent_or_drips_is_left_after_a_while(tmp_path: Path) -> None:
    let_go = threading.Event()

    def drips(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not let_go.wait(0.02):
            connection.sendall(b" ")

    with endpoint(tmp_path, drips) as one:
        assert refusal(one, seconds=1.0) == "endpoint-too-slow"
        one.behave = lambda _: (let_go.wait(20), None)[1]
        assert refusal(one, seconds=1.0) == "endpoint-too-slow"
        let_go.set()


def test_nobody_there_and_no_such_name_are_unreachable(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        gone = relation(one.url())
    for url in (gone.endpoint, EndpointUrl("https://nobody.invalid/bundle")):
        with pytest.raises(Fault) as fault:
            asyncio.run(BundleEndpoints().fetch(replace(gone, endpoint=url), US.bundle()))
        assert fault.value.code == "endpoint-unreachable"


def test_peers_that_hang_hold_up_no_other(tmp_path: Path) -> None:
    """Many of them: there is no pool that they could fill, not even the one that names are looked up in."""
    let_go = threading.Event()

    async def scenario(good: Endpoint, bad: Endpoint) -> bytes:
        endpoints = BundleEndpoints()
        stuck = []
        for number in range(40):
            other = replace(
                relation(bad.url()),
                trust_domain=Partner.named(f"p{number}.example").name,
                accepts=(IdPattern.parse(f"spiffe://p{number}.example/"),),
            )
            stuck.append(asyncio.ensure_future(endpoints.fetch(other, US.bundle())))
        await asyncio.to_thread(until, lambda: len(bad.requests) == len(stuck))
        document = await endpoints.fetch(relation(good.url()), US.bundle())
        assert not any(one.done() for one in stuck)
        for one in stuck:
            one.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        return document

    with endpoint(tmp_path, lambda _: (let_go.wait(60), None)[1]) as bad, endpoint(tmp_path) as good:
        assert asyncio.run(scenario(good, bad)) == DOCUMENT
        let_go.set()


def test_a_fetch_that_is_given_up_leaves_no_thread(tmp_path: Path) -> None:
    with endpoint(tmp_path, lambda _: time.sleep(0.2)) as one:
        refusal(one, seconds=0.1)
    until(lambda: not any(thread.name.startswith("fetch ") for thread in threading.enumerate()))


PINNED = frozenset({US.fingerprint})


def first(one: Endpoint, roots: frozenset[str] = PINNED) -> bytes:
    """The first fetch of a relation without a first bundle."""
    return asyncio.run(BundleEndpoints().fetch(replace(relation(one.url()), roots=roots), None))


def first_refusal(one: Endpoint, roots: frozenset[str] = PINNED) -> str:
    with pytest.raises(Fault) as fault:
        first(one, roots)
    return fault.value.code


def test_fe_11_a_pinned_root_is_fetched_and_then_verifies_the_fetch(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        assert first(one) == DOCUMENT
        assert len(one.requests) == 2


def test_an_impostor_that_serves_the_public_bundle_fails_the_handshake_by_the_pinned_root(tmp_path: Path) -> None:
    with endpoint(tmp_path, ca=Partner().root.intermediate()) as one:
        assert first_refusal(one) == "endpoint-not-verified"
        assert len(one.requests) == 1, "what it served once was no bundle yet"


def test_another_identity_below_the_pinned_root_is_not_the_endpoint(tmp_path: Path) -> None:
    with endpoint(tmp_path, spiffe_id=SpiffeId(PARTNER, ("ns", "billing", "sa", "api"))) as one:
        assert first_refusal(one) == "endpoint-not-verified"


def test_without_the_pinned_root_or_with_a_redirect_nothing_comes_of_it(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        assert first_refusal(one, frozenset({Partner().fingerprint})) == "pinned-root-not-served"
        one.behave = answering("302 Found", b"", f"Location: {one.url('/elsewhere')}")
        assert first_refusal(one) == "endpoint-redirects"
        assert len(one.requests) == 2
        assert first_refusal(one, frozenset()) == "endpoint-unverifiable"


def test_a_domain_that_revoked_itself_does_not_come_back_by_its_pin(tmp_path: Path) -> None:
    with endpoint(tmp_path) as one:
        pinned = replace(relation(one.url()), roots=PINNED)
        with pytest.raises(Fault, match="endpoint-unverifiable"):
            asyncio.run(BundleEndpoints().fetch(pinned, Bundle(PARTNER, (), sequence=9)))

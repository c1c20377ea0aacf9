"""Fetching another trust domain's bundle document, by either endpoint profile (SPIFFE Federation §5.2), and beside it
its statement of who there holds our bundle.

Whatever answers is hostile until its TLS is verified, and bounded after that: one GET, a few redirects with the same
checks at each, so many bytes, so many seconds in all. Every fetch has a thread and a connection of its own, and a trust
domain has one fetch at a time, so that a peer which hangs, also in looking up its name, holds up nobody else
(docs/decisions/0221).
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from trustplane.fault import Fault, Refused, Unavailable
from trustplane.registry.federation import Relation
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.bundle_document import MAX_DOCUMENT_BYTES
from trustplane.spiffe.federation_endpoint import EndpointProfile, EndpointUrl
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.revoked import digest_of
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.trust.statement import MAX_STATEMENT_BYTES, shown_at

FETCH_SECONDS = 20.0
MAX_REDIRECTS = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "application/json, application/jose", "Accept-Encoding": "identity", "Connection": "close"}
_NOT_THERE = frozenset({404, 405, 410, 501})


@dataclass(frozen=True, slots=True)
class _Wanted:
    what: str
    limit: int  # bytes
    redirects: int = MAX_REDIRECTS


_BUNDLE = _Wanted("bundle", MAX_DOCUMENT_BYTES)
_UNSEEN = _Wanted("bundle", MAX_DOCUMENT_BYTES, redirects=0)  # whoever is there must not send us elsewhere
_STATEMENT = _Wanted("statement", MAX_STATEMENT_BYTES)


class BundleEndpoints:
    """Satisfies `flows.federation.federate.Endpoints` and `flows.federation.ask_partners.Endpoints`.

    `web_authorities`: PEM of who vouches for https_web; none: the system's.
    """

    def __init__(self, web_authorities: Path | None = None, seconds: float = FETCH_SECONDS) -> None:
        self._web_authorities = web_authorities
        self._seconds = seconds
        self._busy: dict[tuple[TrustDomain, _Wanted], _Fetch] = {}

    async def fetch(self, relation: Relation, trusted: Bundle | None) -> bytes:
        """The document as served. `trusted`: the newest bundle of the trust domain of the endpoint's SPIFFE ID."""
        if trusted is None and relation.begins_with_a_pin:
            trusted = await self._pinned(relation)
        verifying = _handshake(relation, trusted, self._web_authorities)
        return await self._get(relation, relation.endpoint, _BUNDLE, verifying)

    async def _pinned(self, relation: Relation) -> Bundle:
        """The pinned roots as certificates, from whoever has them: their SHA-256 is what makes them genuine.

        Nothing else of that answer is used; the bundle itself comes over a connection that these roots verify.
        """
        document = await self._get(relation, relation.endpoint, _UNSEEN, _Handshake(_unverified_context(), None))
        served = await asyncio.to_thread(bundle_document.decode, document, relation.trust_domain)
        found = tuple(one for one in served.x509_authorities if digest_of(one) in relation.roots)
        if not found:
            raise Refused(
                code="pinned-root-not-served",
                what=f"{relation.endpoint} serves none of the roots pinned for {relation.trust_domain}",
                why="so nothing can tell whether it is who it should be",
                fix=f"compare the fingerprints with the operators of {relation.trust_domain} by another channel",
            )
        return Bundle(relation.trust_domain, found)

    async def statement(self, relation: Relation, trusted: Bundle | None, about: TrustDomain) -> bytes:
        """As shown, not believed yet. Unavailable as `endpoint-without-statement` where there is none to be had."""
        verifying = _handshake(relation, trusted, self._web_authorities)
        return await self._get(relation, shown_at(relation.endpoint, about), _STATEMENT, verifying)

    async def _get(self, relation: Relation, url: EndpointUrl, wanted: _Wanted, handshake: _Handshake) -> bytes:
        key = (relation.trust_domain, wanted)
        before = self._busy.get(key)
        if before is not None and not before.over:
            raise _too_slow(url, "the attempt before this one still hangs in the system")
        fetching = _Fetch(handshake, self._seconds, wanted)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        name = f"fetch {relation.trust_domain}"[:40]
        thread = threading.Thread(target=_run, args=(fetching, url, answer), name=name)
        thread.daemon = True  # the system's name lookup cannot be interrupted, and must not keep a server from stopping
        self._busy[key] = fetching
        thread.start()
        try:
            return await asyncio.wait_for(answer, self._seconds)
        except TimeoutError:
            raise _too_slow(url, f"it did not answer whole within {self._seconds:.0f} seconds") from None
        finally:
            fetching.abandon()


class _Handshake:
    """How the peer of a connection is known."""

    def __init__(self, context: ssl.SSLContext, expected: SpiffeId | None) -> None:
        self._context = context
        self._expected = expected

    def begin(self, plain: socket.socket, host: str) -> ssl.SSLSocket:
        return self._context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)

    def finish(self, secured: ssl.SSLSocket, host: str) -> None:
        secured.do_handshake()
        if self._expected is not None:
            shown = X509Svid.from_der((secured.getpeercert(binary_form=True) or b"",))  # FE-12
            if shown.spiffe_id != self._expected:  # FE-13, and FE-9 at every redirect
                raise _not_verified(host, f"it is {shown.spiffe_id} and not {self._expected}")

    @property
    def context(self) -> ssl.SSLContext:
        return self._context


def _handshake(relation: Relation, trusted: Bundle | None, web_authorities: Path | None) -> _Handshake:
    match relation.profile:
        case EndpointProfile.HTTPS_WEB:
            return _Handshake(_web_context(web_authorities), None)
        case EndpointProfile.HTTPS_SPIFFE:
            return _Handshake(_spiffe_context(relation, trusted), relation.endpoint_id)


def _web_context(web_authorities: Path | None) -> ssl.SSLContext:
    """FE-10: a certificate for the URL's host name or address (RFC 6125) by an authority of this machine."""
    try:
        context = ssl.create_default_context(cafile=web_authorities)
    except OSError as error:
        raise Refused(
            code="web-authorities-unreadable",
            what=f"{web_authorities} holds no authorities that https_web endpoints could be verified by",
            why=error.strerror or str(error),
            fix="give --federation-web-ca a file of certificates in PEM, or leave it out to use this machine's",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _spiffe_context(relation: Relation, trusted: Bundle | None) -> ssl.SSLContext:
    """The path is verified against these authorities and no other; the name then says who it must be."""
    if trusted is None or not trusted.x509_authorities:
        raise Refused(
            code="endpoint-unverifiable",
            what=f"nothing here verifies the endpoint {relation.endpoint_id} of {relation.trust_domain}",
            why="no X.509 authority of that SPIFFE ID's trust domain is held",
            fix=f"have the operators of {relation.trust_domain} hand over their bundle, save it as "
            f"federation/{relation.trust_domain}.json and apply; after a bundle without authorities, forget the old "
            f"one first: trustplane federation forget {relation.trust_domain}",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # an https_spiffe endpoint is known by its SPIFFE ID alone
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority need not be self-signed (X509-SVID §6.1)
    context.load_verify_locations(cadata=trusted.x509_pem().decode())
    return context


def _unverified_context() -> ssl.SSLContext:
    """For what is known by its digest, whoever it comes from."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _run(fetching: _Fetch, url: EndpointUrl, answer: asyncio.Future[bytes]) -> None:
    try:
        outcome: bytes | Exception = fetching.document(url)
    except Exception as error:  # noqa: BLE001 - a thread's edge: what happened is raised where it is awaited
        outcome = error
    fetching.over = True
    _tell(answer, outcome)


def _tell(answer: asyncio.Future[bytes], outcome: bytes | Exception) -> None:
    def settle() -> None:
        if answer.done():
            return
        if isinstance(outcome, bytes):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped, nobody waits
        answer.get_loop().call_soon_threadsafe(settle)


class _Fetch:
    """One fetch in a thread. `abandon` ends it from another: its socket is shut under it."""

    def __init__(self, handshake: _Handshake, seconds: float, wanted: _Wanted) -> None:
        self._handshake = handshake
        self._seconds = seconds
        self._wanted = wanted
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._abandoned = False
        self.over = False

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def document(self, url: EndpointUrl) -> bytes:
        """FE-14: redirects are followed with the same checks, and where they lead is not kept."""
        for _ in range(self._wanted.redirects + 1):
            with _failures_of(url):
                answer = self._get(url)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise Refused(
            code="endpoint-redirects",
            what=f"the bundle endpoint redirected more than {self._wanted.redirects} times, last to {url}",
            why="it leads round in a circle, or too far to be meant",
            fix="write the endpoint's own URL into trustdomain.yaml, or have its operators mend it",
        )

    def _get(self, url: EndpointUrl) -> bytes | EndpointUrl:
        with contextlib.ExitStack() as closing:
            plain = closing.enter_context(socket.create_connection((url.host, url.port), self._seconds))
            self._may_be_shut(plain)
            secured = closing.enter_context(self._handshake.begin(plain, url.host))
            self._may_be_shut(secured)
            self._handshake.finish(secured, url.host)
            connection = http.client.HTTPSConnection(url.host, url.port, context=self._handshake.context)
            connection.sock = secured
            connection.request("GET", url.target, headers=_HEADERS)  # FE-9: no credentials of any kind
            with connection.getresponse() as response:
                return _answer(url, response, self._wanted)

    def _may_be_shut(self, opened: socket.socket) -> None:
        with self._lock:
            if self._abandoned:
                raise TimeoutError
            self._socket = opened


def _answer(url: EndpointUrl, response: http.client.HTTPResponse, wanted: _Wanted) -> bytes | EndpointUrl:
    if response.status in _REDIRECTS:
        return EndpointUrl(urljoin(url.text, response.headers.get("Location", "")))  # FE-9: valid by the same rules
    if response.status != http.HTTPStatus.OK:
        raise _without(url, response.status, wanted)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(
            code="bundle-encoded",
            what=f"{url} answered with Content-Encoding {response.headers['Content-Encoding']!r:.60}",
            why="it was asked for the document as it is; what unpacks to any size is not read",
            fix="have its operators serve the document without compression to who does not ask for it",
        )
    document = response.read(wanted.limit + 1)
    if len(document) > wanted.limit:
        raise Refused(
            code="bundle-too-large" if wanted is _BUNDLE else "statement-too-large",
            what=f"{url} answered with more than {wanted.limit // 1024} KiB",
            why=f"a {wanted.what} is small, and what is read must be bounded",
            fix="ask its operators what their endpoint serves",
        )
    if response.length:
        raise http.client.IncompleteRead(document, response.length)
    return document


def _without(url: EndpointUrl, status: int, wanted: _Wanted) -> Unavailable:
    if wanted is _STATEMENT and status in _NOT_THERE:
        return Unavailable(
            code="endpoint-without-statement",
            what=f"{url} answered {status}: no statement is to be had there",
            why="that trust domain runs something else than trustplane, or has no relation with ours",
            fix="nothing; it is given time to fetch. If it does run trustplane, have it declare our trust domain",
        )
    return Unavailable(
        code="endpoint-without-bundle",
        what=f"{url} answered {status} and no {wanted.what}",
        why=f"what is there serves no {wanted.what} now, or never did",
        fix="check the URL with the operators of the other trust domain",
    )


@contextlib.contextmanager
def _failures_of(url: EndpointUrl) -> Iterator[None]:
    try:
        yield
    except Fault:
        raise
    except ssl.SSLCertVerificationError as error:
        raise _not_verified(url.host, error.verify_message) from error
    except TimeoutError as error:
        raise _too_slow(url, "nothing came for too long") from error
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise Unavailable(
            code="endpoint-unreachable",
            what=f"no TLS connection to {url} came about",
            why=f"{why:.300}",
            fix="see whether it is up and whether a firewall lies between; it is asked again at the next interval",
        ) from error
    except (http.client.HTTPException, ValueError) as error:
        raise Refused(
            code="endpoint-not-http",
            what=f"what {url} answered is not HTTP as we read it",
            why=f"{type(error).__name__}: {error!s:.200}",
            fix="ask its operators what listens there",
        ) from error


def _not_verified(host: str, why: str) -> Refused:
    return Refused(
        code="endpoint-not-verified",
        what=f"the bundle endpoint at {host} could not prove who it is",
        why=f"{why:.300}",
        fix="compare endpoint, profile and endpoint_id in trustdomain.yaml with what its operators say",
    )


def _too_slow(url: EndpointUrl, why: str) -> Unavailable:
    return Unavailable(
        code="endpoint-too-slow",
        what=f"no bundle came from {url} in time",
        why=why,
        fix="nothing; the bundle held stays in use, and it is asked again at the next interval",
    )

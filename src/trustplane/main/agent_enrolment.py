"""How this agent proves its node: the evidence its settings name, at the enrolment doors in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_der_private_key,
    load_pem_private_key,
)

from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.node.node_link import NodeIdentity
from trustplane.main.settings import AgentSettings
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.node_client import EnrolmentClient, ServerTrust

MAX_FILE_BYTES = 1024 * 1024


Answer = tuple[X509Svid, datetime, bytes]
Proof = Callable[[EnrolmentClient, bytes], Awaitable[Answer]]


class Enrolment:
    """A certificate of the site's comes first, then a join token, then the expired identity of before."""

    def __init__(self, settings: AgentSettings, trust: Callable[[Bundle], ServerTrust]) -> None:
        self._settings = settings
        self._trust = trust

    async def __call__(self, csr: bytes, known: NodeIdentity | None) -> Answer:
        faults: list[Fault] = []
        for bundle in self._bundles(known):
            for address in self._settings.enrolment:
                client = EnrolmentClient(str(address), self._trust(bundle), self._settings.address)
                try:
                    return await self._prove(client, csr, known)
                except Unavailable as fault:
                    faults.append(fault)
        raise faults[0]

    def _bundles(self, known: NodeIdentity | None) -> Iterator[Bundle]:
        """The newest this node was told, then the operator's: a root may have been replaced since either."""
        domain = self._settings.trust_domain
        if known is not None:
            yield bundle_document.decode(known.bundle_document, domain)
        try:
            yield trusted_bundle(self._settings.bundle_file, domain)
        except Refused:
            if known is None:
                raise

    async def _prove(self, client: EnrolmentClient, csr: bytes, known: NodeIdentity | None) -> Answer:
        refused: list[Refused] = []
        for prove in self._evidence(known):
            try:
                return await prove(client, csr)
            except Refused as fault:
                refused.append(fault)
        if len(refused) == 1:
            raise refused[0]
        if refused:
            raise Refused.all_of([finding for fault in refused for finding in fault.findings])
        raise Refused(
            code="no-evidence",
            what=f"node {self._settings.node} has nothing to prove itself with",
            why="it has no valid identity, no join token and no certificate",
            fix=f"trustplane server token create {self._settings.node}, then start the agent with --join-token-file",
        )

    def _evidence(self, known: NodeIdentity | None) -> Iterator[Proof]:
        settings = self._settings
        if settings.node_certificate_file is not None and settings.node_key_file is not None:
            yield partial(_by_certificate, settings.node_certificate_file, settings.node_key_file)
        if settings.join_token_file is not None:
            yield partial(_by_token, settings.join_token_file)
        if known is not None:
            yield partial(_by_expired_identity, known.keyed)


async def _by_certificate(certificate: Path, key_file: Path, client: EnrolmentClient, csr: bytes) -> Answer:
    try:
        key = load_pem_private_key(_read(key_file), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unreadable(key_file, "it is not an unencrypted PEM private key") from None
    return await client.with_certificate(_chain(certificate), key, csr)


async def _by_token(token_file: Path, client: EnrolmentClient, csr: bytes) -> Answer:
    return await client.with_token(_read(token_file).decode(errors="replace").strip(), csr)


async def _by_expired_identity(keyed: KeyedSvid, client: EnrolmentClient, csr: bytes) -> Answer:
    return await client.with_certificate(keyed.svid.der(), load_der_private_key(keyed.key_pkcs8, None), csr)


def trusted_bundle(path: Path, trust_domain: TrustDomain) -> Bundle:
    """The bundle that a server is first believed by: a SPIFFE bundle document, or PEM certificates."""
    content = _read(path)
    if b"-----BEGIN" not in content:
        return bundle_document.decode(content, trust_domain)
    try:
        return Bundle(trust_domain, tuple(x509.load_pem_x509_certificates(content)), ())
    except ValueError as error:
        raise _unreadable(path, str(error)) from None


def _chain(path: Path) -> tuple[bytes, ...]:
    try:
        return tuple(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(_read(path)))
    except ValueError as error:
        raise _unreadable(path, str(error)) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None


def _unreadable(path: Path, why: str) -> Refused:
    return Refused(
        code="file-unreadable",
        what=f"{path} cannot be used",
        why=why,
        fix="check the path and its permissions; trustplane server bundle prints a server's bundle",
    )

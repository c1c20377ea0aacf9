"""How this agent proves its node: the evidence its settings name, at the enrolment doors in turn."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.main.settings import AgentSettings
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.wire.node_client import EnrolmentClient, ServerTrust

MAX_FILE_BYTES = 1024 * 1024


class Enrolment:
    def __init__(self, settings: AgentSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    async def __call__(self, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        bundle = trusted_bundle(self._settings.bundle_file, self._settings.trust_domain)
        trust = ServerTrust(bundle, self._clock)
        faults: list[Fault] = []
        for address in self._settings.enrolment:
            client = EnrolmentClient(str(address), trust, self._settings.address)
            try:
                return await self._prove(client, csr)
            except Unavailable as fault:
                faults.append(fault)
        raise faults[0]

    async def _prove(self, client: EnrolmentClient, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        settings = self._settings
        if settings.node_certificate_file is not None and settings.node_key_file is not None:
            chain = _chain(settings.node_certificate_file)
            try:
                key = load_pem_private_key(_read(settings.node_key_file), None)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                raise _unreadable(settings.node_key_file, "it is not an unencrypted PEM private key") from None
            return await client.with_certificate(chain, key, csr)
        if settings.join_token_file is not None:
            return await client.with_token(_read(settings.join_token_file).decode(errors="replace").strip(), csr)
        raise Refused(
            code="no-evidence",
            what=f"node {settings.node} has nothing to prove itself with",
            why="it has no valid identity, no join token and no certificate",
            fix=f"trustplane server token create {settings.node}, then start the agent with --join-token-file",
        )


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

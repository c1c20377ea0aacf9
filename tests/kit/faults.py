"""Faults to inject into handshakes: for each, what either side presents and trusts, and the cause it must end in.

One table for every Envoy build and every runtime. `client` and `server` are what the two sides hold; a fault changes
one thing of a pair that works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.kit.ca import PrivateKey, TestCa, key_usage, name, p256
from trustplane.handshake.failure import Side, Tls
from trustplane.spiffe.certificates import pem_of

CLIENT_ID = "spiffe://acme.example/ns/shop/sa/web"
SERVER_ID = "spiffe://acme.example/ns/shop/sa/pay"
SERVER_NAME = "pay.acme.example"
NOW = datetime.now(UTC)  # noqa: TID251 - real proxies verify by the real clock
HOUR = timedelta(hours=1)
Chain = tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Held:
    """What one side presents (nothing, if the chain is empty), whom it trusts, and what it demands of the other."""

    chain: Chain
    key: PrivateKey = field(repr=False)
    roots: Chain
    expects: str
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    tls: dict[str, object] = field(default_factory=dict)
    validation: dict[str, object] = field(default_factory=dict)
    plain: bool = False

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def chain_pem(self) -> bytes:
        return pem_of(self.chain)

    def roots_pem(self) -> bytes:
        return pem_of(self.roots)

    def crls_pem(self) -> bytes:
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self.crls)


@dataclass(frozen=True)
class Fault:
    """`judged` is the side that was found wanting; the other side's roots and lists are the verifier's."""

    name: str
    cause: str
    judged: Side
    client: Held
    server: Held
    only: Tls | None = None
    sni: str = SERVER_NAME

    @property
    def at_fault(self) -> Held:
        return self.client if self.judged is Side.CLIENT else self.server

    @property
    def verifier(self) -> Held:
        return self.server if self.judged is Side.CLIENT else self.client


# Go and Java present nothing that the server's list of authorities does not lead to: for them, that is the fault.
WITHHOLDING = {"go", "java"}
WITHHELD = {"unknown-root-client", "no-intermediate-client", "self-signed-client"}


def cause_for(fault: Fault, by: str) -> str:
    """The cause it ends in when that runtime is the client."""
    return "withheld-client-certificate" if by in WITHHOLDING and fault.name in WITHHELD else fault.cause


class Mesh:
    """A root, an issuing authority, and two services that get along."""

    def __init__(self) -> None:
        self.root = TestCa.root("acme.example")
        self.issuing = self.root.intermediate()
        self.other = TestCa.root("acme.example", subject=name("another root")).intermediate()
        self.namesake = TestCa.root("acme.example").intermediate()
        self.client = self.held(CLIENT_ID, SERVER_ID)
        self.server = self.held(SERVER_ID, "spiffe://acme.example/")

    def held(self, spiffe_id: str, expects: str, ca: TestCa | None = None, **overrides: object) -> Held:
        overrides.setdefault("dns", (SERVER_NAME,))
        chain, key = (ca or self.issuing).leaf_chain(spiffe_id, **overrides)  # type: ignore[arg-type] # one leaf's settings
        return Held(chain, key, (self.root.certificate,), expects)

    def crl(
        self, ca: TestCa, *revoked: x509.Certificate, begins: timedelta = -HOUR, ends: timedelta = HOUR
    ) -> x509.CertificateRevocationList:
        builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW + begins, NOW + ends)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder(one.serial_number, NOW - 2 * HOUR).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(ca.key, hashes.SHA256())


@cache
def mesh() -> Mesh:
    return Mesh()


Change = Callable[[Held], Held]


def _leaf(of: Mesh, spiffe_id: str) -> Callable[..., Change]:
    """Another leaf for that ID, by another authority or with other settings."""

    def leaf(ca: TestCa | None = None, spiffe: str = spiffe_id, **overrides: object) -> Change:
        def changed(held: Held) -> Held:
            made = of.held(spiffe, held.expects, ca, **overrides)
            return replace(held, chain=made.chain, key=made.key)

        return changed

    return leaf


def _self_signed(spiffe_id: str) -> Change:
    def changed(held: Held) -> Held:
        key = p256()
        # Envoy loads no leaf that may not sign handshakes.
        usage = (key_usage("digital_signature", "key_cert_sign"), True)
        ca = TestCa.root(
            "acme.example", key=key, subject=name("self"), key_usage=usage, uris=(spiffe_id,), dns=(SERVER_NAME,)
        )
        return replace(held, chain=(ca.certificate,), key=key)

    return changed


def _certificates(of: Mesh, spiffe_id: str) -> dict[str, tuple[str, Change]]:
    """Faults of what one side presents: name, cause, and how its holding changes."""
    leaf, root = _leaf(of, spiffe_id), of.root
    begun, ended = NOW - 5 * HOUR, NOW - HOUR
    one_use = ExtendedKeyUsageOID.SERVER_AUTH if spiffe_id == CLIENT_ID else ExtendedKeyUsageOID.CLIENT_AUTH
    no_room = (x509.BasicConstraints(ca=True, path_length=0), True)
    narrow = root.intermediate(subject=name("narrow"), basic_constraints=no_room)
    elsewhere = x509.NameConstraints([x509.UniformResourceIdentifier("elsewhere.example")], None)
    other = ("other.example",)
    return {
        "expired": ("leaf-expired", leaf(not_before=begun, not_after=ended)),
        "not-yet-valid": ("not-yet-valid", leaf(not_before=NOW + HOUR, not_after=NOW + 2 * HOUR)),
        "unknown-root": ("unknown-issuer", leaf(of.other)),
        "namesake-root": ("unknown-issuer", leaf(of.namesake)),
        "no-intermediate": ("missing-intermediate", lambda held: replace(held, chain=held.chain[:1])),
        "self-signed": ("self-signed", _self_signed(spiffe_id)),
        "expired-issuer": ("issuer-expired", leaf(root.intermediate(not_before=begun, not_after=ended))),
        "one-use": ("wrong-usage", leaf(extended_key_usage=(x509.ExtendedKeyUsage([one_use]), False))),
        "long-path": ("path-length", leaf(narrow.intermediate())),
        "constrained": ("name-constraint", leaf(root.intermediate(extra=[(elsewhere, True)]))),
        "other-name": ("wrong-san", leaf(spiffe="spiffe://acme.example/ns/shop/sa/other", dns=other)),
        "other-domain": ("wrong-trust-domain", leaf(spiffe="spiffe://evil.example/ns/shop/sa/other", dns=other)),
        "no-name": ("wrong-san", leaf(san=None, subject=name("nameless"))),
    }


def certificate_faults() -> list[Fault]:
    """Every fault of a certificate, on each side."""
    of = mesh()
    found = []
    for side, spiffe_id in ((Side.CLIENT, CLIENT_ID), (Side.SERVER, SERVER_ID)):
        for each, (cause, changed) in _certificates(of, spiffe_id).items():
            client, server = of.client, of.server
            if side is Side.CLIENT:
                client = changed(client)
                # A server that expects a prefix is content with any name below it.
                server = replace(server, expects=CLIENT_ID)
            else:
                server = changed(server)
            found.append(Fault(f"{each}-{side.value}", cause, side, client, server))
    return found


def root_faults() -> list[Fault]:
    """The verifier's own root has ended: the chain presented is in order."""
    of = mesh()
    ended = TestCa.root("acme.example", not_before=NOW - 5 * HOUR, not_after=NOW - HOUR)
    issuing = ended.intermediate()
    made = of.held(CLIENT_ID, SERVER_ID, issuing)
    client = replace(of.client, chain=made.chain, key=made.key)
    server = replace(of.server, roots=(ended.certificate,))
    return [Fault("expired-root", "root-expired", Side.CLIENT, client, server)]


def list_faults() -> list[Fault]:
    """What revocation lists do to a client's certificate."""
    of = mesh()
    good, none = of.crl(of.root), of.crl(of.issuing)
    revoked = of.crl(of.issuing, of.client.chain[0])
    late = of.crl(of.issuing, begins=-3 * HOUR, ends=-HOUR)
    early = of.crl(of.issuing, begins=HOUR, ends=2 * HOUR)

    def fault(named: str, cause: str, *crls: x509.CertificateRevocationList) -> Fault:
        return Fault(named, cause, Side.CLIENT, of.client, replace(of.server, crls=crls))

    return [
        fault("revoked", "revoked", good, revoked),
        fault("list-ended", "crl-expired", good, late),
        fault("list-not-begun", "crl-expired", good, early),
        fault("list-missing", "crl-missing", none),
    ]


def conduct_faults() -> list[Fault]:
    """What is wrong with how a side speaks, not with its certificate."""
    of = mesh()
    client, server = of.client, of.server
    old: dict[str, object] = {"tls_maximum_protocol_version": "TLSv1_2"}
    new: dict[str, object] = {"tls_minimum_protocol_version": "TLSv1_3"}

    rsa, ecdsa = ["ECDHE-RSA-AES128-GCM-SHA256"], ["ECDHE-ECDSA-AES256-GCM-SHA384"]
    deep = replace(server, validation={"max_verify_depth": 0})
    pinned = replace(server, validation={"verify_certificate_hash": ["00" * 32]})
    ciphers = replace(client, tls={"cipher_suites": rsa}), replace(server, tls={"cipher_suites": ecdsa})
    groups = replace(client, tls={"ecdh_curves": ["P-256"]}), replace(server, tls={"ecdh_curves": ["X25519"]})
    return [
        Fault("no-certificate", "no-client-certificate", Side.CLIENT, replace(client, chain=()), server),
        Fault("depth", "verify-depth", Side.CLIENT, client, deep),
        Fault("pin", "pin-outdated", Side.CLIENT, client, pinned),
        Fault("plaintext", "plaintext-to-tls", Side.CLIENT, replace(client, plain=True), server),
        Fault("plain-server", "tls-to-plaintext", Side.SERVER, client, replace(server, plain=True)),
        Fault("versions", "version-mismatch", Side.CLIENT, replace(client, tls=old), replace(server, tls=new)),
        Fault("ciphers", "no-shared-cipher", Side.CLIENT, *ciphers, Tls.V1_2),
        Fault("groups", "no-shared-group", Side.CLIENT, *groups),
        replace(Fault("no-such-name", "no-filter-chain", Side.SERVER, client, server), sni="elsewhere.example"),
    ]


def works() -> Fault:
    """No fault at all: what every fault is a change of."""
    of = mesh()
    return Fault("works", "", Side.CLIENT, of.client, of.server)


@cache
def all_faults() -> tuple[Fault, ...]:
    return (*certificate_faults(), *root_faults(), *list_faults(), *conduct_faults())

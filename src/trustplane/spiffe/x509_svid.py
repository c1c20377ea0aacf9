"""X509-SVIDs as values: a chain that keeps the rules of X509-SVID, and the same chain with its private key.

A value says that the certificates are well formed. Whether anyone vouches for them is `verify.verify_x509`. The chain
is leaf first, signers behind it in any order, and no self-signed root: roots come from bundles alone.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import wrap

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from trustplane.fault import Finding, Refused
from trustplane.spiffe.certificates import (
    certificates_from_concatenated_der,
    certificates_from_der,
    certificates_from_pem,
    der_of,
    pem_of,
    read_whole,
)
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.public_keys import PublicKey, supported
from trustplane.spiffe.x509_rules import leaf_findings, leaf_id, signer_findings

MAX_CHAIN = 10
MAX_KEY_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class X509Svid:
    """A leaf and the signers behind it."""

    chain: tuple[x509.Certificate, ...] = field(repr=False)
    spiffe_id: SpiffeId = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.chain) <= MAX_CHAIN:
            raise Refused(
                code="svid-chain-length",
                what=f"the chain has {len(self.chain)} certificates",
                why=f"it has a leaf and at most {MAX_CHAIN - 1} signers",
                fix="send the leaf, then the intermediates up to the root and without it",
            )
        for certificate in self.chain:
            read_whole(certificate)
        found: list[Finding] = []
        try:
            object.__setattr__(self, "spiffe_id", leaf_id(self.leaf))
            supported(self.leaf.public_key(), "the leaf")
        except Refused as refused:
            found.extend(refused.findings)
        found.extend(leaf_findings(self.leaf))
        for signer in self.chain[1:]:
            found.extend(signer_findings(signer))
        if found:
            raise Refused.all_of(found)

    @classmethod
    def from_der(cls, ders: Sequence[bytes]) -> X509Svid:
        return cls(certificates_from_der(ders))

    @classmethod
    def from_concatenated_der(cls, blob: bytes) -> X509Svid:
        return cls(certificates_from_concatenated_der(blob))

    @classmethod
    def from_pem(cls, pem: bytes) -> X509Svid:
        return cls(certificates_from_pem(pem))

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def public_key(self) -> PublicKey:
        return supported(self.leaf.public_key(), "the leaf")

    @property
    def serial(self) -> int:
        return self.leaf.serial_number

    @property
    def not_before(self) -> datetime:
        return self.leaf.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_valid_after_utc

    def der(self) -> tuple[bytes, ...]:
        return tuple(der_of(certificate) for certificate in self.chain)

    def pem(self) -> bytes:
        return pem_of(self.chain)


@dataclass(frozen=True, slots=True)
class KeyedSvid:
    """An SVID and the private key of its leaf, unencrypted PKCS#8 DER: never printed, never compared."""

    svid: X509Svid
    key_pkcs8: bytes = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key_pkcs8) > MAX_KEY_BYTES:
            raise _bad_key(f"it has {len(self.key_pkcs8)} bytes, more than the {MAX_KEY_BYTES} a key needs")
        try:
            # Under this PEM label the library takes PKCS#8 and nothing else; its DER loader would guess.
            key = load_pem_private_key(self.key_pem(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The cause is dropped: a parser's message may quote what it read.
            raise _bad_key("it is not an unencrypted PKCS#8 key that we can read") from None
        if key.public_key() != self.svid.leaf.public_key():
            raise Refused(
                code="svid-key-mismatch",
                what=f"the private key is not that of the certificate of {self.svid.spiffe_id}",
                why="a peer would refuse the handshake",
                fix="keep each key with the certificate it was issued for",
            )

    def key_pem(self) -> bytes:
        lines = wrap(base64.b64encode(self.key_pkcs8).decode(), 64)
        return "\n".join(("-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", "")).encode()


def _bad_key(why: str) -> Refused:
    return Refused(
        code="bad-private-key",
        what="the private key of an SVID cannot be used",
        why=why,
        fix="convert it with `openssl pkcs8 -topk8 -nocrypt`",
    )

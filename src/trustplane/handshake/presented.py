"""A presented chain, explained certificate by certificate: whom it names, when it is valid, who signed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from trustplane.handshake.clue import Clue, Weighs
from trustplane.handshake.state import State, authority_key, clues, is_self_signed, key_id, signer_of, uris


@dataclass(frozen=True, slots=True)
class Explained:
    """One certificate. `signed_by` says where its signer is: in the chain, in the bundle, itself, or nowhere here."""

    role: str
    names: tuple[str, ...]
    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    validity: str
    key_id: str
    issuer_key_id: str
    signed_by: str


def explained(state: State) -> tuple[Explained, ...]:
    return tuple(_explained(one, place, state) for place, one in enumerate(state.chain))


def wrong(state: State) -> list[Clue]:
    """What the chain shows to be wrong; a favoured cause only where none is proved."""
    found = clues(state)
    proved = [one for one in found if one.weighs is Weighs.PROVES]
    return proved or [one for one in found if one.weighs is Weighs.FAVOURS and one.cause == "missing-intermediate"]


def _explained(certificate: x509.Certificate, place: int, state: State) -> Explained:
    return Explained(
        role="leaf" if place == 0 else "root" if is_self_signed(certificate) else "authority",
        names=uris(certificate),
        subject=certificate.subject.rfc4514_string()[:200],
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        validity=_validity(certificate, state.at),
        key_id=key_id(certificate),
        issuer_key_id=authority_key(certificate),
        signed_by=_signed_by(certificate, state.chain, state.roots),
    )


def _validity(certificate: x509.Certificate, at: datetime) -> str:
    if at < certificate.not_valid_before_utc:
        return "not yet valid"
    return "expired" if at > certificate.not_valid_after_utc else "valid"


def _signed_by(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate] | None
) -> str:
    if roots and (root := signer_of(certificate, tuple(roots))) is not None:
        return f"a root of the bundle, key {key_id(root)}"
    if is_self_signed(certificate):
        return "itself"
    others = tuple(one for one in chain if one is not certificate)
    if (above := signer_of(certificate, others)) is not None:
        return f"certificate {chain.index(above) + 1} of the chain"
    return "nobody in the chain" if roots is None else "nobody in the chain or the bundle"

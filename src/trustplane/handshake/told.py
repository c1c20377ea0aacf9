"""A failed handshake as a proxy sends it to its agent: the fields of its log, and the certificate it was shown."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography import x509

from trustplane.fault import Place, Refused
from trustplane.handshake.failure import Claims, Failure
from trustplane.handshake.readers.access_log import of_entry
from trustplane.handshake.readers.line import Line
from trustplane.spiffe.certificates import authority_key_id, certificates_from_pem, read_whole

MOST_CERTIFICATE = 16_384  # as it is written in a URL
MOST_KEY = 64  # an authority key identifier is 20 bytes; whoever made the certificate may have written more
_NOWHERE = Line("", Place("access log", 1))


@dataclass(frozen=True, slots=True)
class Told:
    """`fields` are the log's own, with the log's name among them."""

    fields: Mapping[str, str]
    build: tuple[int, ...] = ()


def failure_of(told: Told) -> Failure | None:
    """None: it is no failure, or has neither side nor time."""
    found = of_entry(told.fields, _NOWHERE)
    if found is None or found.at is None or found.side is None:
        return None
    return replace(found, build=told.build, place=None)


def shown(claims: Claims, certificate: str) -> Claims:
    """What the peer's own certificate adds, where it can be read. It was sent by whoever was refused."""
    try:
        (leaf, *_) = certificates_from_pem(urllib.parse.unquote_to_bytes(certificate[:MOST_CERTIFICATE]))
        read_whole(leaf)
    except (Refused, ValueError):
        return claims
    return of_certificate(claims, leaf)


def given(logged: Claims, by_agent: Claims) -> Claims:
    """What the agent had given a proxy by then. A proxy that presented another name was given it by somebody else, and
    then what it says itself is all that is known."""
    if not by_agent.spiffe_id or (logged.spiffe_id and logged.spiffe_id != by_agent.spiffe_id):
        return logged
    return by_agent


def of_certificate(claims: Claims, leaf: x509.Certificate) -> Claims:
    key = authority_key_id(leaf)[:MOST_KEY]
    return replace(claims, serial=f"{leaf.serial_number:032x}", not_after=leaf.not_valid_after_utc, issuer_key=key)

"""A statement of uptake is believed only when the domain that was asked says it, now, of a bundle that is ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.ca import TestCa
from tests.kit.clock import START
from tests.kit.partner import PARTNER, Partner, Speaker
from trustplane.fault import Refused
from trustplane.spiffe import base64url
from trustplane.spiffe.bundle import Bundle, JwtAuthority
from trustplane.spiffe.federation_endpoint import EndpointUrl
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import JwtClaims, JwtSvid, compact
from trustplane.trust.statement import (
    LONGEST_LIFE,
    MAX_STATEMENT_BYTES,
    SKEW,
    Statement,
    check_newer,
    check_ours,
    shown_at,
    sign,
    verified,
)

ACME = TrustDomain("acme.example")
OURS = Bundle(ACME, (TestCa.root(ACME).certificate,), sequence=7)
THEM = Speaker()
SAID = THEM.statement(OURS, behind=2)
SHOWN = sign(SAID, THEM.kid, THEM.sign)
SECOND = timedelta(seconds=1)


def read(document: bytes, speaker: Bundle | None = None, at: timedelta = SECOND) -> Statement:
    return verified(document, speaker or THEM.bundle(), ACME, START + at)


def signed(header: object, claims: object, key: Speaker = THEM) -> bytes:
    """Whatever these say, signed as a statement is."""
    parts = [
        base64url.encode(
            one if isinstance(one, bytes) else json.dumps(one, separators=(",", ":"), sort_keys=True).encode()
        )
        for one in (header, claims)
    ]
    message = ".".join(parts)
    raw = JwtAlgorithm.ES256.jws_signature(key.sign(message.encode()))
    return f"{message}.{base64url.encode(raw)}".encode()


def parts_of(document: bytes) -> tuple[dict[str, object], dict[str, object]]:
    header, claims, _ = document.decode().split(".")
    return json.loads(base64url.decode(header)), json.loads(base64url.decode(claims))


def changed(**claims: object) -> bytes:
    header, said = parts_of(SHOWN)
    return signed(header, said | claims)


def test_it_is_read_as_it_was_signed() -> None:
    assert read(SHOWN) == SAID
    assert SAID.behind == 2


def flipped() -> bytes:
    """The same statement with 0 behind, under the signature that was made of 2."""
    header, claims, signature = SHOWN.decode().split(".")
    said = json.loads(base64url.decode(claims)) | {"behind": 0}
    edited = base64url.encode(json.dumps(said, separators=(",", ":"), sort_keys=True).encode())
    return f"{header}.{edited}.{signature}".encode()


def without_signature(document: bytes) -> bytes:
    header, claims, _ = document.decode().split(".")
    return f"{header}.{claims}.".encode()


def unsigned() -> bytes:
    header, claims = parts_of(SHOWN)
    return signed(header | {"alg": "none"}, claims)


def by_hmac_with_the_public_key() -> bytes:
    header, claims = parts_of(SHOWN)
    return signed(header | {"alg": "HS256"}, claims)


OTHER = Speaker(Partner.named("other.example"))
STRANGER = Speaker(kid=THEM.kid)

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "bad-statement"),
    "huge": (lambda: SHOWN + b"A" * MAX_STATEMENT_BYTES, "bad-statement"),
    "not ASCII": (lambda: SHOWN[:-1] + b"\xff", "bad-statement"),
    "a bundle": (THEM.partner.document, "bad-statement"),
    "two parts": (lambda: SHOWN.rpartition(b".")[0], "bad-statement"),
    "without its signature": (lambda: without_signature(SHOWN), "bad-statement"),
    "unsigned by its own word": (unsigned, "jwt-algorithm"),
    "signed with the public key as a secret": (by_hmac_with_the_public_key, "jwt-algorithm"),
    "changed after it was signed": (flipped, "statement-not-vouched-for"),
    "signed by a foreign key under the known name": (
        lambda: sign(SAID, THEM.kid, STRANGER.sign),
        "statement-not-vouched-for",
    ),
    "signed by a key that is not in the bundle": (lambda: sign(SAID, "key-2", THEM.sign), "statement-not-vouched-for"),
    "of another domain, by its key": (lambda: OTHER.shows(OURS), "statement-not-vouched-for"),
    "of another domain, by this one's key": (
        lambda: sign(replace(SAID, by=TrustDomain("other.example")), THEM.kid, THEM.sign),
        "statement-of-another-domain",
    ),
    "about another domain": (
        lambda: sign(replace(SAID, about=TrustDomain("other.example")), THEM.kid, THEM.sign),
        "statement-about-another-domain",
    ),
    "about itself": (lambda: changed(aud=str(PARTNER.id)), "bad-statement"),
    "with more than a statement says": (lambda: changed(sub="spiffe://partner.example/x"), "bad-statement"),
    "with a sequence spelled otherwise": (lambda: changed(sequence="07"), "bad-statement"),
    "with a sequence of 65 bits": (lambda: changed(sequence=str(2**64)), "bad-statement"),
    "with fewer than nobody behind": (lambda: changed(behind=-1), "bad-statement"),
    "with a truth for a number": (lambda: changed(behind=False), "bad-statement"),
    "with a digest in capitals": (lambda: changed(digest="A" * 64), "bad-statement"),
    "that lives for ever": (lambda: changed(exp=253402300799), "bad-statement"),
    "that ends before it begins": (lambda: changed(exp=1), "bad-statement"),
    "with an instant beyond the calendar": (lambda: changed(iat=10**12), "bad-statement"),
    "with white space in it": (
        lambda: signed(parts_of(SHOWN)[0], json.dumps(parts_of(SHOWN)[1]).encode()),
        "bad-statement",
    ),
    "with a name twice": (
        lambda: signed(parts_of(SHOWN)[0], b'{"aud":"a","aud":"b"}'),
        "bad-json",
    ),
    "with a critical header": (
        lambda: signed(parts_of(SHOWN)[0] | {"crit": ["x"]}, parts_of(SHOWN)[1]),
        "bad-statement",
    ),
    "that calls itself a token": (
        lambda: signed(parts_of(SHOWN)[0] | {"typ": "JWT"}, parts_of(SHOWN)[1]),
        "bad-statement",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    make, code = HOSTILE[name]
    with pytest.raises(Refused) as refused:
        read(make())
    assert refused.value.code == code


def test_a_bundle_without_jwt_keys_vouches_for_nothing() -> None:
    with pytest.raises(Refused, match="statement-not-vouched-for"):
        read(SHOWN, THEM.partner.bundle())


def test_it_is_fresh_from_its_beginning_to_its_end_and_a_little_before_by_a_slow_clock() -> None:
    life = SAID.expires_at - SAID.issued_at
    assert life <= LONGEST_LIFE
    for at in (-SKEW, timedelta(0), life - SECOND):
        assert read(SHOWN, at=at) == SAID
    for at in (-SKEW - SECOND, life, life + SECOND):
        with pytest.raises(Refused, match="statement-not-fresh"):
            read(SHOWN, at=at)


def test_a_statement_is_no_jwt_svid_and_a_jwt_svid_is_no_statement() -> None:
    with pytest.raises(Refused, match="bad-jwt-header"):
        JwtSvid.parse(SHOWN.decode())
    web = JwtClaims(PARTNER.id.__class__(PARTNER, ("web",)), (str(ACME.id),), START, START + timedelta(minutes=5))
    token = compact(web, THEM.kid, JwtAlgorithm.ES256, THEM.sign)
    with pytest.raises(Refused, match="bad-statement"):
        read(token.encode())


def test_what_was_shown_once_is_not_shown_again_for_something_newer() -> None:
    later = THEM.statement(OURS, at=START + timedelta(minutes=1))
    check_newer(None, SAID)
    check_newer(SAID, SAID)
    check_newer(SAID, later)
    with pytest.raises(Refused, match="statement-went-back"):
        check_newer(later, SAID)


def test_a_sequence_never_goes_back_and_never_means_two_contents() -> None:
    later = replace(SAID, issued_at=SAID.issued_at + SECOND)
    check_newer(SAID, replace(later, sequence=8, digest="0" * 64))
    with pytest.raises(Refused, match="statement-sequence-went-back"):
        check_newer(SAID, replace(later, sequence=6))
    with pytest.raises(Refused, match="statement-of-other-content"):
        check_newer(SAID, replace(later, digest="0" * 64))


def test_it_is_about_something_that_was_published_here() -> None:
    check_ours(SAID, OURS)
    check_ours(replace(SAID, sequence=6, digest="0" * 64), OURS)  # an older one
    with pytest.raises(Refused, match="statement-of-unpublished-bundle"):
        check_ours(replace(SAID, sequence=8), OURS)
    with pytest.raises(Refused, match="statement-of-other-content"):
        check_ours(replace(SAID, digest="0" * 64), OURS)


def test_it_proves_what_all_of_them_hold_whatever_the_jwt_keys_are() -> None:
    all_of_them = replace(SAID, behind=0)
    more_keys = replace(OURS, jwt_authorities=(JwtAuthority("k", THEM.key.public_key()),))
    both_roots = replace(OURS, x509_authorities=(*OURS.x509_authorities, TestCa.root(ACME).certificate))
    assert all_of_them.proves(OURS)
    assert all_of_them.proves(more_keys)
    assert not all_of_them.proves(both_roots)
    assert not SAID.proves(OURS), "two are behind"


@pytest.mark.parametrize(
    ("bundle", "statement"),
    [
        ("https://trust.partner.example/bundle", "https://trust.partner.example/uptake/acme.example"),
        ("https://trust.partner.example", "https://trust.partner.example/uptake/acme.example"),
        ("https://h.example:8446/a/b.json?x=1", "https://h.example:8446/a/uptake/acme.example"),
    ],
)
def test_it_is_shown_beside_the_bundle(bundle: str, statement: str) -> None:
    assert shown_at(EndpointUrl(bundle), ACME).text == statement

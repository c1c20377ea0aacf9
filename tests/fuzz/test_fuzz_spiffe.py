"""Hostile bytes into every parser of `spiffe/`: only `Refused` comes out, and memory stays bounded.

Three kinds of input: anything at all, good inputs with bytes changed, and good inputs cut, doubled or padded. The
counts are bounded so that this runs with the other checks; raise MUTATIONS to look longer.
"""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.ca import CLIENT_AND_SERVER, NOON, TestCa, p256, pkcs8, rsa2048
from tests.kit.tokens import claims, token
from trustplane.fault import Refused
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.jwt_svid import JwtSvid, verify_jwt
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

MUTATIONS = 3000
SEED = 20261123

ACME = TrustDomain("acme.example")
CA = TestCa.root(ACME)
ISSUING = CA.intermediate(
    extra=[(x509.NameConstraints([x509.DNSName("acme.example")], None), True)],
    authority_key_identifier=(x509.AuthorityKeyIdentifier(b"12345", [x509.DNSName("a")], 7), False),
)
CHAIN, LEAF_KEY = ISSUING.leaf_chain(
    "/web",
    dns=("web.acme.example",),
    extended_key_usage=(CLIENT_AND_SERVER, True),
    subject=TestCa.root("a").certificate.subject,
)
SVID = X509Svid(CHAIN)
KEY = p256()
BUNDLE = Bundle(
    ACME,
    (CA.certificate, TestCa.root(ACME, key=rsa2048()).certificate),
    (JwtAuthority("k1", KEY.public_key()), JwtAuthority("k2", rsa2048().public_key())),
    7,
    timedelta(minutes=5),
)
BUNDLES = BundleSet.of(BUNDLE)
TOKEN = token(KEY, {"alg": "ES256", "kid": "k1", "typ": "JWT"}, claims(nested={"a": [1, 2.5, None]}))

Parser = Callable[[bytes], object]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _verified(svid: X509Svid) -> SpiffeId:
    return verify_x509(svid, BUNDLES, NOON)


PARSERS: dict[str, tuple[Parser, bytes]] = {
    "id": (lambda raw: SpiffeId.parse(_text(raw)), b"spiffe://acme.example/ns/shop/sa/web"),
    "trust domain": (lambda raw: TrustDomain(_text(raw)), b"acme.example"),
    "selector": (lambda raw: Selector.parse(_text(raw)), b"unix:path:/usr/bin/web"),
    "der": (lambda raw: _verified(X509Svid.from_der([raw, *SVID.der()[1:]])), SVID.der()[0]),
    "intermediate": (lambda raw: _verified(X509Svid.from_der([SVID.der()[0], raw])), SVID.der()[1]),
    "concatenated der": (lambda raw: _verified(X509Svid.from_concatenated_der(raw)), b"".join(SVID.der())),
    "pem": (lambda raw: _verified(X509Svid.from_pem(raw)), SVID.pem()),
    "key": (lambda raw: KeyedSvid(SVID, raw).key_pem(), pkcs8(LEAF_KEY)),
    "token": (lambda raw: verify_jwt(_text(raw), "spiffe://acme.example/pay", BUNDLES, NOON), TOKEN.encode()),
    "bundle": (lambda raw: bundle_document.decode(raw, ACME).digest, bundle_document.encode(BUNDLE)),
    "bundle map": (bundle_document.decode_map, bundle_document.encode_map(BUNDLES)),
}


def feed(parser: Parser, raw: bytes) -> bool:
    """Whether it was taken; anything but `Refused` fails the test."""
    try:
        parser(raw)
    except Refused as refused:
        answer = str(refused)
    else:
        return True
    assert len(answer) < 20_000
    return False


def mutations(good: bytes, dice: random.Random) -> Iterator[bytes]:
    for _ in range(MUTATIONS):
        raw = bytearray(good)
        for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
            at = dice.randrange(len(raw)) if raw else 0
            match dice.randrange(6):
                case 0:
                    raw[at : at + 1] = bytes([dice.randrange(256)])
                case 1:
                    raw[at : at + 1] = bytes([raw[at] ^ (1 << dice.randrange(8))]) if raw else b""
                case 2:
                    del raw[at : at + dice.randrange(1, 9)]
                case 3:
                    raw[at:at] = dice.randbytes(dice.randrange(1, 9))
                case 4:
                    raw[at:at] = raw[at : at + dice.randrange(1, 65)]
                case _:
                    raw[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x30\x80", b"9" * 400))
        yield bytes(raw)


@pytest.mark.parametrize("name", PARSERS)
def test_good_input_is_taken(name: str) -> None:
    parser, good = PARSERS[name]
    assert feed(parser, good)


@pytest.mark.parametrize("name", PARSERS)
def test_changed_input_is_taken_or_refused(name: str) -> None:
    parser, good = PARSERS[name]
    dice = random.Random(f"{SEED} {name}")
    refused = sum(not feed(parser, raw) for raw in mutations(good, dice))
    assert refused > MUTATIONS // 4


@pytest.mark.parametrize("name", ["der", "intermediate", "concatenated der", "token"])
def test_nothing_signed_is_believed_after_a_change(name: str) -> None:
    parser, good = PARSERS[name]
    dice = random.Random(f"{SEED} signed {name}")
    assert not any(feed(parser, raw) for raw in mutations(good, dice) if raw != good)


@pytest.mark.parametrize("name", PARSERS)
@given(raw=st.binary(max_size=300))
def test_anything_at_all_is_taken_or_refused(name: str, raw: bytes) -> None:
    parser, good = PARSERS[name]
    feed(parser, raw)
    feed(parser, good[: len(raw)] + raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ("kty", "crv", "x", "y", "n", "e", "use", "kid", "x5c")


@given(st.sampled_from(range(4)), st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3), JSON, JSON)
def test_bundles_of_odd_json_are_taken_or_refused(
    at: int, changes: dict[str, object], hint: object, top: object
) -> None:
    document = json.loads(bundle_document.encode(BUNDLE))
    document["keys"][at].update(changes)
    parser, _ = PARSERS["bundle"]
    feed(parser, json.dumps(document).encode())
    feed(parser, json.dumps({**document, "spiffe_refresh_hint": hint}).encode())
    feed(parser, json.dumps({**document, "spiffe_sequence": hint, "keys": top}).encode())
    feed(PARSERS["bundle map"][0], json.dumps({"trust_domains": {"acme.example": top, "a": document}}).encode())


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "x"]), JSON, max_size=2),
    st.dictionaries(st.sampled_from(["sub", "aud", "exp", "nbf", "iat"]), JSON, max_size=3),
)
def test_tokens_of_odd_json_are_taken_or_refused(header: dict[str, object], said: dict[str, object]) -> None:
    text = token(KEY, {"alg": "ES256", "kid": "k1", **header}, {**claims(), **said})
    feed(PARSERS["token"][0], text.encode())


HUGE: dict[str, tuple[str, bytes]] = {
    "id": ("id", b"spiffe://a/" + b"bb/" * 2_000_000),
    "token of dots": ("token", b"." * 4_000_000),
    "token": ("token", b"e30." + b"A" * 4_000_000 + b".AA"),
    "deep claims": ("token", TOKEN.split(".")[0].encode() + b"." + b"W1tb" * 3000 + b".AA"),
    "deep bundle": ("bundle", b'{"keys":' + b"[" * 1_000_000),
    "wide bundle": ("bundle", b'{"keys":[' + b",".join([b"{}"] * 300_000) + b",0]}"),
    "endless bundle": ("bundle", b" " * 4_000_000),
    "long number": ("bundle", b'{"keys":[],"spiffe_sequence":' + b"9" * 1_000_000 + b"}"),
    "many map entries": (
        "bundle map",
        b'{"trust_domains":{' + b",".join(b'"%d":{}' % i for i in range(90_000)) + b"}}",
    ),
    "declared length": ("concatenated der", b"\x30\x83\xff\xff\xff" + b"\x00" * 100),
    "many sequences": ("concatenated der", b"\x30\x00" * 2_000_000),
    "long der": ("der", b"\x30\x83\x3d\x09\x00" + b"\x00" * 4_000_000),
    "nested der": ("der", b"\x30\x80" * 30_000),
    "many pem blocks": ("pem", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" * 60_000),
    "long key": ("key", b"\x30" * 4_000_000),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_input_is_refused_in_little_memory(name: str) -> None:
    parser, raw = PARSERS[HUGE[name][0]][0], HUGE[name][1]
    tracemalloc.start()
    try:
        assert not feed(parser, raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_a_token_of_any_text_is_parsed_or_refused() -> None:
    for text in ("\ud800.\ud800.\ud800", "\x00.\x00.\x00", "🙂.🙂.🙂", "e30.e30.e30"):
        with pytest.raises(Refused):
            JwtSvid.parse(text)

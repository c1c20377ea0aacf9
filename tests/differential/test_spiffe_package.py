"""Our identity values against an independent implementation: the package `spiffe` (py-spiffe) from PyPI.

Both read the same inputs. Where one takes what the other refuses, the difference stands in a table here with its
reason; a difference without one fails, and so does a row that no longer differs.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from spiffe import JwtBundle as TheirJwtBundle
from spiffe import JwtSvid as TheirJwtSvid
from spiffe import SpiffeId as TheirId
from spiffe import TrustDomain as TheirTrustDomain
from spiffe import X509Bundle as TheirX509Bundle
from spiffe import X509Svid as TheirSvid
from spiffe.errors import PySpiffeError

from tests.kit.ca import (
    CLIENT_AND_SERVER,
    NOON,
    VALID_UNTIL,
    Overrides,
    TestCa,
    key_usage,
    name,
    p256,
    p384,
    pkcs8,
    rsa2048,
)
from tests.kit.tokens import SigningKey, claims, part, token
from trustplane.fault import Refused
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.certificates import der_of
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import verify_jwt
from trustplane.spiffe.x509_svid import X509Svid

ACME = TrustDomain("acme.example")
WEB = "spiffe://acme.example/web"
PAY = "spiffe://acme.example/pay"


def ours(read: Callable[[], object]) -> str | None:
    """What was read, as text, or None when it was refused."""
    try:
        return str(read())
    except Refused:
        return None


def theirs(read: Callable[[], object]) -> str | None:
    try:
        return str(read())
    except (PySpiffeError, KeyError):  # it looks up a missing `exp`
        return None


# Why they take an ID that we refuse.
ID_DIFFERENCES: dict[str, Callable[[str], bool]] = {
    "they lower-case scheme and trust domain (§2.4), we refuse upper case (§2.1): decision 0001": lambda text: (
        _head(text) != _head(text).lower()
    ),
    "their pattern ends in `$`, which lets one line feed in at the end of a part": lambda text: "\n" in text,
    "they have no limits of length (§2.3)": lambda text: len(text) > 2048 or len(_head(text)) > len("spiffe://") + 255,
}


def _head(text: str) -> str:
    return "/".join(text.split("/")[:3])


IDS = (
    *("spiffe://acme.example", WEB, "spiffe://a", "spiffe://10.0.0.1/x", "spiffe://a/...", "spiffe://-._/A-._Z"),
    *("", "spiffe://", "spiffe:///web", "https://acme.example/web", "spiffe:/a", "spiffe:a", "a/web", "spiffe"),
    *("spiffe://a/", "spiffe://a//b", "spiffe://a/b/", "spiffe://a/.", "spiffe://a/../b", "spiffe://a/b/./c"),
    *("spiffe://a?b", "spiffe://a/b?c", "spiffe://a#b", "spiffe://a/b#c", "spiffe://u@a/b", "spiffe://a:1/b"),
    *("spiffe://a/%41", "spiffe://%61/b", "spiffe://é/b", "spiffe://a/é", "spiffe://spiffe://a/b", " spiffe://a"),
    *(
        "SPIFFE://a/b",
        "Spiffe://a",
        "spiffe://A/b",
        "spiffe://a\n",
        "spiffe://a\n/b",
        "spiffe://a/b\n",
        "spiffe://a/b\n/c",
    ),
    *("spiffe://" + "a" * 255, "spiffe://" + "a" * 256, "spiffe://a/".ljust(2048, "b"), "spiffe://a/".ljust(2049, "b")),
)


def compare_ids(text: str) -> str | None:
    """The reason why the two differ, or None when they agree."""
    we, they = ours(lambda: SpiffeId.parse(text)), theirs(lambda: TheirId(text))
    if we == they:
        return None
    assert we is None, f"we take {text!r} and they do not"
    reasons = [reason for reason, explains in ID_DIFFERENCES.items() if explains(text)]
    assert reasons, f"they take {text!r} and we do not, for no known reason"
    return reasons[0]


def test_ids_of_the_table() -> None:
    found = {compare_ids(text) for text in IDS} - {None}
    assert found == set(ID_DIFFERENCES)


@given(st.text(alphabet=string.printable + "éß\u2028\U0001f600", max_size=40))
def test_ids_with_any_tail(tail: str) -> None:
    compare_ids("spiffe://" + tail)


@given(st.lists(st.sampled_from(["a", "B", ".", "..", "/", "-", "\n", "%", "_", ":", "@", "spiffe://"]), max_size=12))
def test_ids_of_awkward_pieces(pieces: list[str]) -> None:
    compare_ids("spiffe://" + "".join(pieces))
    compare_ids("".join(pieces))


@pytest.mark.parametrize("code_point", range(256))
def test_every_code_point_in_both_parts(code_point: int) -> None:
    compare_ids(f"spiffe://td{chr(code_point)}/web")
    compare_ids(f"spiffe://td/web{chr(code_point)}")


CA = TestCa.root(ACME)
CRITICAL_CA = (x509.BasicConstraints(ca=True, path_length=None), True)
NO_CA = (x509.BasicConstraints(ca=False, path_length=None), True)


@dataclass(frozen=True)
class SvidCase:
    """A leaf, the intermediate above it, and whether each implementation takes the chain."""

    what: str
    we: bool
    they: bool
    leaf: Overrides = field(default_factory=Overrides)
    signer: Overrides = field(default_factory=Overrides)
    why: str = ""  # they and we differ

    def __str__(self) -> str:
        return self.what


CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])

SVIDS = (
    SvidCase("good", we=True, they=True),
    SvidCase("P-384", we=True, they=True, leaf={"key": p384()}),
    SvidCase("RSA", we=True, they=True, leaf={"key": rsa2048()}),
    SvidCase("DNS beside URI", we=True, they=True, leaf={"dns": ("web",)}),
    SvidCase("with subject", we=True, they=True, leaf={"subject": name("web")}),
    SvidCase("no EKU", we=True, they=True, leaf={"extended_key_usage": None}),
    SvidCase("critical EKU", we=True, they=True, leaf={"extended_key_usage": (CLIENT_AND_SERVER, True)}),
    SvidCase("two URIs", we=False, they=False, leaf={"uris": (WEB, PAY)}),
    SvidCase("no URI", we=False, they=False, leaf={"uris": (), "dns": ("web",)}),
    SvidCase("no names", we=False, they=False, leaf={"san": None}),
    SvidCase("https URI", we=False, they=False, leaf={"uris": ("https://acme.example/web",)}),
    SvidCase("no path", we=False, they=False, leaf={"uris": ("spiffe://acme.example",)}),
    SvidCase("bad path", we=False, they=False, leaf={"uris": ("spiffe://acme.example/a//b",)}),
    SvidCase("CA leaf", we=False, they=False, leaf={"basic_constraints": CRITICAL_CA}),
    SvidCase("no key usage", we=False, they=False, leaf={"key_usage": None}),
    SvidCase("no digitalSignature", we=False, they=False, leaf={"key_usage": (key_usage("key_agreement"), True)}),
    SvidCase("keyCertSign", we=False, they=False,
             leaf={"key_usage": (key_usage("digital_signature", "key_cert_sign"), True)}),
    SvidCase("cRLSign", we=False, they=False, leaf={"key_usage": (key_usage("digital_signature", "crl_sign"), True)}),
    SvidCase("signer no CA", we=False, they=False, signer={"basic_constraints": NO_CA}),
    SvidCase("signer without basic constraints", we=False, they=False, signer={"basic_constraints": None}),
    SvidCase("signer without key usage", we=False, they=False, signer={"key_usage": None}),
    SvidCase("signer without keyCertSign", we=False, they=False, signer={"key_usage": (key_usage("crl_sign"), True)}),
    SvidCase("leaf without basic constraints", we=True, they=False, leaf={"basic_constraints": None},
             why="absent means cA false (RFC 5280 §4.2.1.9); X509-SVID §4.1 asks for no more"),
    SvidCase("EKU of one side", we=False, they=True, leaf={"extended_key_usage": (CLIENT_ONLY, False)},
             why="they do not look at extended key usage (X509-SVID §4.4)"),
    SvidCase("uncritical key usage", we=False, they=True, leaf={"key_usage": (key_usage("digital_signature"), False)},
             why="they do not look at criticality (X509-SVID §4.3): decision 0003"),
    SvidCase("uncritical names without subject", we=False, they=True, leaf={"san_critical": False},
             why="they do not look at criticality (X509-SVID §3.1)"),
    SvidCase("upper-case domain", we=False, they=True, leaf={"uris": ("spiffe://ACME.example/web",)},
             why="decision 0001"),
    SvidCase("signer with a path", we=False, they=True, signer={"uris": ("spiffe://acme.example/ca",)},
             why="they do not look at a signer's ID (X509-SVID §3.2)"),
    SvidCase("Ed25519", we=False, they=True, leaf={"key": ed25519.Ed25519PrivateKey.generate()},
             why="Envoy and most verifiers refuse it"),
    SvidCase("secp256k1", we=False, they=True, leaf={"key": ec.generate_private_key(ec.SECP256K1())},
             why="no TLS stack offers it"),
)  # fmt: skip


@pytest.mark.parametrize("case", SVIDS, ids=str)
def test_x509_svids(case: SvidCase) -> None:
    leaf: Overrides = {**case.leaf}
    signer: Overrides = {**case.signer}
    chain, key = CA.intermediate(**signer).leaf_chain(WEB, **leaf)
    blob = b"".join(der_of(each) for each in chain)
    we = ours(lambda: X509Svid.from_concatenated_der(blob).spiffe_id)
    they = theirs(lambda: TheirSvid.parse_raw(blob, pkcs8(key)).spiffe_id)
    assert (we is not None, they is not None) == (case.we, case.they)
    assert bool(case.why) == (case.we != case.they)
    if case.we and case.they:
        assert we == they


def test_pem_and_der_give_both_the_same() -> None:
    chain, key = CA.intermediate().leaf_chain(WEB)
    svid = X509Svid(chain)
    read = TheirSvid.parse_raw(b"".join(svid.der()), pkcs8(key))
    assert read.cert_chain == list(chain)
    assert str(read.spiffe_id) == str(svid.spiffe_id)


KEYS: dict[str, SigningKey] = {
    "ec256": p256(),
    "ec384": p384(),
    "ec521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa2048(),
}
KEY = KEYS["ec256"]
BUNDLE = Bundle(ACME, (CA.certificate,), tuple(JwtAuthority(kid, key.public_key()) for kid, key in KEYS.items()))
THEIR_BUNDLE = TheirJwtBundle.parse(TheirTrustDomain("acme.example"), bundle_document.jwks(BUNDLE))
NEVER = int(VALID_UNTIL.timestamp())  # they read the real clock


@dataclass(frozen=True)
class TokenCase:
    what: str
    we: bool
    they: bool
    header: dict[str, object] = field(default_factory=dict)
    claims: dict[str, object] = field(default_factory=dict)
    key: str = "ec256"
    alg: JwtAlgorithm = JwtAlgorithm.ES256
    why: str = ""

    def __str__(self) -> str:
        return self.what

    def token(self) -> str:
        header = {"alg": self.alg.value, "kid": self.key, "typ": "JWT", **self.header}
        kept = {member: value for member, value in header.items() if value is not None}
        return token(KEYS[self.key], kept, claims(**{"exp": NEVER, **self.claims}), self.alg)


TOKENS = (
    TokenCase("good", we=True, they=True),
    *(TokenCase(alg.value, we=True, they=True, key="rsa", alg=alg)
      for alg in JwtAlgorithm if not alg.value.startswith("ES")),
    TokenCase("ES384", we=True, they=True, key="ec384", alg=JwtAlgorithm.ES384),
    TokenCase("ES512", we=True, they=True, key="ec521", alg=JwtAlgorithm.ES512),
    TokenCase("no typ", we=True, they=True, header={"typ": None}),
    TokenCase("typ JOSE", we=True, they=True, header={"typ": "JOSE"}),
    TokenCase("one audience as text", we=True, they=True, claims={"aud": PAY}),
    TokenCase("other claims", we=True, they=True, claims={"team": "web"}),
    TokenCase("alg none", we=False, they=False, header={"alg": "none"}),
    TokenCase("alg HS256", we=False, they=False, header={"alg": "HS256"}),
    TokenCase("alg EdDSA", we=False, they=False, header={"alg": "EdDSA"}),
    TokenCase("no alg", we=False, they=False, header={"alg": None}),
    TokenCase("typ wit+jwt", we=False, they=False, header={"typ": "wit+jwt"}),
    TokenCase("unknown kid", we=False, they=False, header={"kid": "other"}),
    TokenCase("another key's kid", we=False, they=False, header={"kid": "rsa"}),
    TokenCase("no subject", we=False, they=False, claims={"sub": None}),
    TokenCase("bad subject", we=False, they=False, claims={"sub": "web"}),
    TokenCase("other domain", we=False, they=False, claims={"sub": "spiffe://other.example/web"}),
    TokenCase("no audience", we=False, they=False, claims={"aud": None}),
    TokenCase("other audience", we=False, they=False, claims={"aud": [WEB]}),
    TokenCase("expired", we=False, they=False, claims={"exp": 1_000_000_000}),
    TokenCase("expiry as a word", we=False, they=False, claims={"exp": "soon"}),
    TokenCase("not yet", we=False, they=False, claims={"nbf": NEVER - 1}),
    TokenCase("critical header", we=False, they=False, header={"crit": ["x"], "x": 1}),
    TokenCase("no kid", we=True, they=False, header={"kid": None}, why="it is optional (JWT-SVID §2.2)"),
    TokenCase("header beyond the three", we=False, they=True, header={"cty": "x"},
              why="they do not look (JWT-SVID §2)"),
    TokenCase("subject without a path", we=False, they=True, claims={"sub": "spiffe://acme.example"},
              why="it names no workload (JWT-SVID §3.1)"),
    TokenCase("upper-case subject", we=False, they=True, claims={"sub": "spiffe://ACME.example/web"},
              why="decision 0001"),
    TokenCase("expiry as text of digits", we=False, they=True, claims={"exp": str(NEVER)},
              why="RFC 7519 §2: NumericDate is a JSON number"),
    TokenCase("no expiry", we=False, they=False, claims={"exp": None}),
)  # fmt: skip


@pytest.mark.parametrize("case", TOKENS, ids=str)
def test_jwt_svids(case: TokenCase) -> None:
    text = case.token()
    we = ours(lambda: verify_jwt(text, PAY, BundleSet.of(BUNDLE), NOON).spiffe_id)
    they = theirs(lambda: TheirJwtSvid.parse_and_validate(text, THEIR_BUNDLE, {PAY}).spiffe_id)
    assert (we is not None, they is not None) == (case.we, case.they)
    assert bool(case.why) == (case.we != case.they)


def test_a_forged_signature_is_refused_by_both() -> None:
    signed, _, _ = TOKENS[0].token().rpartition(".")
    forged = f"{signed}.{part(bytes(64))}"
    assert ours(lambda: verify_jwt(forged, PAY, BundleSet.of(BUNDLE), NOON)) is None
    assert theirs(lambda: TheirJwtSvid.parse_and_validate(forged, THEIR_BUNDLE, {PAY})) is None


def test_they_read_our_jwk_set() -> None:
    read = THEIR_BUNDLE.jwt_authorities
    assert read == {authority.kid: authority.public_key for authority in BUNDLE.jwt_authorities}
    empty = TheirJwtBundle.parse(TheirTrustDomain("acme.example"), bundle_document.jwks(Bundle(ACME, ())))
    assert empty.jwt_authorities == {}


def test_they_read_our_x509_authorities() -> None:
    roots = (CA.certificate, TestCa.root(ACME, key=rsa2048()).certificate)
    bundle, domain = Bundle(ACME, roots), TheirTrustDomain("acme.example")
    assert TheirX509Bundle.parse(domain, bundle.x509_pem()).x509_authorities == set(roots)
    assert TheirX509Bundle.parse_raw(domain, bundle.x509_der()).x509_authorities == set(roots)


JWK = json.loads(bundle_document.jwks(BUNDLE))["keys"][0]
USED = {**JWK, "use": "jwt-svid"}

# A JWK Set in our form (with `use`, as bundles have it), and the kids each side finds in it; None is a refusal.
SETS: tuple[tuple[str, object, set[str] | None, set[str] | None, str], ...] = (
    ("good", {"keys": [USED]}, {"ec256"}, {"ec256"}, ""),
    ("empty", {"keys": []}, set(), set(), ""),
    ("no object", [], None, None, ""),
    ("no kid", {"keys": [{**USED, "kid": ""}]}, None, None, ""),
    ("bad point", {"keys": [{**USED, "x": JWK["y"]}]}, None, None, ""),
    ("no keys", {}, None, set(), "they take it for an empty set, which would revoke the domain (Bundle §4.1.3)"),
    ("keys no array", {"keys": {}}, None, set(), "likewise"),
    ("no use", {"keys": [JWK]}, set(), {"ec256"}, "a bundle reader ignores it (Bundle §4.2.2); theirs reads JWK Sets"),
    ("X.509 use", {"keys": [{**JWK, "use": "x509-svid"}]}, set(), {"ec256"}, "they do not look at use (JWT-SVID §6.2)"),
    ("kid twice", {"keys": [USED, USED]}, None, {"ec256"}, "they keep the last; we cannot tell which is meant"),
)


@pytest.mark.parametrize(("what", "document", "we", "they", "why"), SETS, ids=[row[0] for row in SETS])
def test_bundles(what: str, document: object, we: set[str] | None, they: set[str] | None, why: str) -> None:
    raw = json.dumps(document).encode()

    def kids_here() -> list[str]:
        return sorted(each.kid for each in bundle_document.decode(raw, ACME).jwt_authorities)

    def kids_there() -> list[str]:
        return sorted(TheirJwtBundle.parse(TheirTrustDomain("acme.example"), raw).jwt_authorities)

    assert ours(kids_here) == (None if we is None else str(sorted(we)))
    assert theirs(kids_there) == (None if they is None else str(sorted(they)))
    assert bool(why) == (we != they)

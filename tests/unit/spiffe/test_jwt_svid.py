"""JWT-SVID, rule by rule: each token breaks one rule and passes when mended."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.kit.ca import NOON, p256, p384, rsa2048
from tests.kit.tokens import SigningKey, claims, part, sign, token
from trustplane.fault import Broken, Refused
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import MAX_TOKEN_BYTES, JwtClaims, JwtSvid, compact, verify_jwt

ACME = TrustDomain("acme.example")
PAY = "spiffe://acme.example/pay"
KEYS: dict[str, SigningKey] = {
    "ec256": p256(), "ec384": p384(), "ec512": ec.generate_private_key(ec.SECP521R1()), "rsa": rsa2048(),
}  # fmt: skip
KEY = KEYS["ec256"]
BUNDLES = BundleSet.of(
    Bundle(ACME, (), tuple(JwtAuthority(kid, key.public_key()) for kid, key in KEYS.items())),
    Bundle(TrustDomain("other.example"), (), (JwtAuthority("ec256", p256().public_key()),)),
)
HEADER: dict[str, object] = {"alg": "ES256", "kid": "ec256", "typ": "JWT"}
SECOND = timedelta(seconds=1)


def accepted(text: str) -> JwtSvid:
    return verify_jwt(text, PAY, BUNDLES, NOON)


def refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        accepted(text)
    assert caught.value.code == code


def headed(**changes: object) -> str:
    header = {name: each for name, each in {**HEADER, **changes}.items() if each is not None}
    return token(KEY, header, claims())


def claiming(**changes: object) -> str:
    return token(KEY, HEADER, claims(**changes))


def key_for(alg: JwtAlgorithm) -> tuple[str, SigningKey]:
    kid = f"ec{alg.value[2:]}" if alg.value.startswith("ES") else "rsa"
    return kid, KEYS[kid]


def test_a_good_token_says_who_and_keeps_every_claim() -> None:
    svid = accepted(claiming(team="web", nested={"a": [1]}))
    assert (str(svid.spiffe_id), svid.audiences, svid.kid) == ("spiffe://acme.example/web", (PAY,), "ec256")
    assert svid.expires_at == NOON + timedelta(seconds=300)
    assert (svid.claims["team"], svid.claims["nested"]) == ("web", {"a": [1]})


def test_jw_1_only_the_compact_form() -> None:
    good = headed()
    header, payload, signature = good.split(".")
    accepted(good)
    flattened = json.dumps({"protected": header, "payload": payload, "signature": signature})
    general = json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
    for text in (flattened, general, good + ".", "." + good, f"{header}..{signature}", f"{header}.{payload}", ""):
        refused(text, "bad-jwt")


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit", "b64", "cty", "zip", "ALG"])
def test_jw_2_the_header_holds_alg_kid_and_typ_alone(name: str) -> None:
    refused(headed(**{name: "x"}), "bad-jwt-header")
    accepted(headed())


def test_jw_2_kid_and_typ_may_be_left_out() -> None:
    assert accepted(headed(kid=None)).kid is None
    assert accepted(headed(typ=None)).kid == "ec256"
    assert accepted(headed(kid=None, typ=None)).kid is None


@pytest.mark.parametrize("kid", ["", 5, ["ec256"], {}, True])
def test_jw_2_a_kid_is_text(kid: object) -> None:
    refused(headed(kid=kid), "bad-jwt-header")


@pytest.mark.parametrize("alg", JwtAlgorithm)
def test_jw_3_each_of_the_nine_algorithms_is_taken(alg: JwtAlgorithm) -> None:
    kid, key = key_for(alg)
    assert accepted(token(key, {"alg": alg.value, "kid": kid}, claims(), alg)).algorithm is alg


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "", "HS256", "HS512", "EdDSA", "Ed25519", "ES256K", "es256", "ES256 ", 256, None, ["ES256"], {}],
)
def test_jw_3_every_other_algorithm_is_refused(alg: object) -> None:
    refused(headed(alg=alg), "jwt-algorithm")
    accepted(headed(alg="ES256"))


def test_jw_3_an_unsigned_token_is_refused() -> None:
    header, payload, _ = headed(alg="none").split(".")
    refused(f"{header}.{payload}.", "bad-jwt")
    refused(f"{header}.{payload}.AA", "jwt-algorithm")


def test_jw_3_the_public_key_is_no_secret_to_sign_with() -> None:
    """The confusion of HMAC and RSA keys (CVE-2015-9235): there is no HMAC to confuse them with."""
    refused(token(KEY, {"alg": "HS256", "kid": "rsa"}, claims()), "jwt-algorithm")


@pytest.mark.parametrize(("alg", "kid"), [("ES384", "ec256"), ("ES256", "ec384"), ("RS256", "ec256"), ("ES256", "rsa")])
def test_jw_3_the_algorithm_fits_the_key(alg: str, kid: str) -> None:
    signed = token(KEYS["rsa"], {"alg": alg, "kid": kid}, claims(), JwtAlgorithm.RS256)
    refused(signed, "jwt-not-vouched-for")


@pytest.mark.parametrize(
    ("alg", "kid", "width"),
    [("ES256", "ec384", 48), ("ES384", "ec256", 32), ("ES512", "ec384", 48), ("ES384", "ec512", 66)],
)
def test_jw_3_an_algorithm_has_one_curve(alg: str, kid: str, width: int) -> None:
    """RFC 7518 §3.4. The signature is sound, but for a curve that this algorithm does not name."""
    signed = f"{part({'alg': alg, 'kid': kid})}.{part(claims())}"
    r, s = decode_dss_signature(sign(signed.encode(), KEYS[kid], JwtAlgorithm(alg)))
    refused(f"{signed}.{part(r.to_bytes(width) + s.to_bytes(width))}", "jwt-not-vouched-for")


@pytest.mark.parametrize("typ", ["jwt", "wit+jwt", "at+jwt", "JWS", "", 5, ["JWT"], False])
def test_jw_4_typ_is_jwt_or_jose(typ: object) -> None:
    refused(headed(typ=typ), "bad-jwt-header")
    accepted(headed(typ="JWT"))
    accepted(headed(typ="JOSE"))


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        (None, "bad-jwt-claims"), (5, "bad-jwt-claims"), (["spiffe://acme.example/web"], "bad-jwt-claims"),
        ("", "bad-spiffe-id"), ("web", "bad-spiffe-id"), ("spiffe://ACME.example/web", "bad-spiffe-id"),
        ("spiffe://acme.example", "bad-jwt-claims"),
    ],
)  # fmt: skip
def test_jw_5_the_subject_is_a_workloads_id(subject: object, code: str) -> None:
    refused(claiming(sub=subject), code)
    accepted(claiming(sub="spiffe://acme.example/web"))


@pytest.mark.parametrize("audience", [None, [], "", [""], [PAY, ""], [5], 5, {PAY: 1}, [[PAY]], [PAY] * 101])
def test_jw_6_there_is_an_audience(audience: object) -> None:
    refused(claiming(aud=audience), "bad-jwt-claims")
    accepted(claiming(aud=[PAY]))
    accepted(claiming(aud=PAY))


@pytest.mark.parametrize("audience", ["spiffe://acme.example/ledger", PAY + "/", PAY.upper(), "pay", [PAY + " "]])
def test_jw_6_the_verifiers_own_name_is_in_the_audience(audience: object) -> None:
    refused(claiming(aud=audience), "bad-jwt-claims")
    accepted(claiming(aud=["spiffe://acme.example/ledger", PAY]))


@pytest.mark.parametrize(
    "expiry", [b'"1"', b"null", b"true", b"[]", b"1e400", b"-1", b"1" * 400, b"NaN", b"Infinity", b"253402300800"]
)
def test_jw_7_there_is_an_expiry_and_it_is_an_instant(expiry: bytes) -> None:
    payload = json.dumps(claims(exp=0)).encode()
    for text in (token(KEY, HEADER, payload.replace(b'"exp": 0', b'"exp": ' + expiry)), claiming(exp=None)):
        with pytest.raises(Refused) as caught:
            accepted(text)
        assert caught.value.code in {"bad-jwt-claims", "bad-json"}
    accepted(claiming(exp=NOON.timestamp() + 0.5))


def test_jw_7_a_token_is_refused_from_its_expiry_on() -> None:
    expiry = NOON + timedelta(seconds=300)
    text = claiming()
    verify_jwt(text, PAY, BUNDLES, expiry - SECOND)
    verify_jwt(text, PAY, BUNDLES, expiry + SECOND, leeway=2 * SECOND)
    for at, leeway in ((expiry, 0 * SECOND), (expiry + 2 * SECOND, 2 * SECOND)):
        with pytest.raises(Refused) as caught:
            verify_jwt(text, PAY, BUNDLES, at, leeway)
        assert caught.value.code == "jwt-expired"


def test_jw_7_a_token_is_refused_before_its_not_before() -> None:
    later = int(NOON.timestamp()) + 1
    refused(claiming(nbf=later), "bad-jwt-claims")
    refused(claiming(nbf="soon"), "bad-jwt-claims")
    accepted(claiming(nbf=later - 1))
    verify_jwt(claiming(nbf=later), PAY, BUNDLES, NOON, leeway=SECOND)


def test_jw_8_the_algorithm_is_looked_at_before_anything_else() -> None:
    for payload in (b"no json", claims(sub="nobody", exp=0)):
        refused(token(KEY, {"alg": "none", "jku": "x"}, payload), "jwt-algorithm")


def test_jw_9_a_token_can_stand_in_a_header_line() -> None:
    text = headed()
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text)  # RFC 6750 §2.1, b64token
    for spoilt in (text + "\r\nx: y", text + " ", " " + text, text + "\x00", "Bearer " + text):
        refused(spoilt, "bad-jwt")


def test_jw_11_the_keys_are_those_of_the_subjects_domain() -> None:
    refused(claiming(sub="spiffe://other.example/web"), "jwt-not-vouched-for")
    refused(claiming(sub="spiffe://third.example/web"), "untrusted-trust-domain")
    accepted(claiming())


def test_jw_11_without_jwt_keys_no_token_is_believed() -> None:
    with pytest.raises(Refused) as caught:
        verify_jwt(headed(), PAY, BundleSet.of(Bundle(ACME, ())), NOON)
    assert caught.value.code == "no-jwt-authorities"


def test_a_key_the_bundle_does_not_hold_or_another_key_does_not_vouch() -> None:
    refused(headed(kid="unknown"), "jwt-not-vouched-for")
    refused(headed(kid="ec384"), "jwt-not-vouched-for")
    refused(token(p256(), HEADER, claims()), "jwt-not-vouched-for")
    refused(token(p256(), {"alg": "ES256"}, claims()), "jwt-not-vouched-for")


def test_a_token_changed_after_signing_is_refused() -> None:
    header, payload, signature = headed().split(".")
    other = part(claims(sub="spiffe://acme.example/admin"))
    refused(f"{header}.{other}.{signature}", "jwt-not-vouched-for")
    refused(f"{part({**HEADER, 'typ': 'JOSE'})}.{payload}.{signature}", "jwt-not-vouched-for")
    refused(f"{header}.{payload}.{part(bytes(64))}", "jwt-not-vouched-for")
    refused(f"{header}.{payload}.{signature[:84]}", "jwt-not-vouched-for")


def test_a_signature_in_der_is_no_jws_signature() -> None:
    signed, _, _ = headed().rpartition(".")
    refused(f"{signed}.{part(sign(signed.encode(), KEY, JwtAlgorithm.ES256))}", "jwt-not-vouched-for")


def test_each_token_has_one_spelling() -> None:
    header, payload, signature = headed().split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bits = signature[:-1] + last[last.index(signature[-1]) | 1]  # 64 bytes leave four bits unused
    assert same_bits != signature
    for spelled in (same_bits, signature + "==", signature + "\n", "+/" + signature[2:], "é" + signature[1:]):
        refused(f"{header}.{payload}.{spelled}", "bad-jwt")
        with pytest.raises(Refused):
            JwtSvid.parse(f"{header}.{payload}.{spelled}")


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"{", b'{"sub":"a","sub":"b"}', b"\xff", b'{"a":"\\ud800"}', b'{"a":NaN}', b"[" * 10_000],
)
def test_claims_are_strict_json(payload: bytes) -> None:
    refused(token(KEY, HEADER, payload), "bad-json" if payload else "bad-jwt")


def test_a_header_member_twice_is_refused() -> None:
    refused(token(KEY, b'{"alg":"ES256","alg":"none"}', claims()), "bad-json")


def test_tokens_are_bounded() -> None:
    refused(claiming(padding="a" * MAX_TOKEN_BYTES), "bad-jwt")
    accepted(claiming(padding="a" * (MAX_TOKEN_BYTES // 2)))


def test_a_token_is_never_shown() -> None:
    text = headed()
    assert text.split(".")[2] not in repr(accepted(text))
    with pytest.raises(Refused) as caught:
        verify_jwt(text, "other", BUNDLES, NOON)
    assert text.split(".")[2] not in str(caught.value)


@pytest.mark.parametrize("alg", JwtAlgorithm)
def test_a_token_put_together_here_is_believed_here(alg: JwtAlgorithm) -> None:
    kid, key = key_for(alg)
    spiffe_id = SpiffeId(ACME, ("web",))
    said = JwtClaims(spiffe_id, (PAY, "other"), NOON, NOON + timedelta(minutes=5))
    text = compact(said, kid, alg, lambda message: sign(message, key, alg))
    svid = accepted(text)
    assert (svid.spiffe_id, svid.audiences, svid.expires_at) == (spiffe_id, (PAY, "other"), NOON + timedelta(minutes=5))
    assert svid.claims["iat"] == int(NOON.timestamp())


@pytest.mark.parametrize(("path", "audiences"), [((), (PAY,)), (("web",), ()), (("web",), ("",))])
def test_claims_that_make_no_svid_are_refused_before_signing(path: tuple[str, ...], audiences: tuple[str, ...]) -> None:
    signed: list[bytes] = []

    def never(message: bytes) -> bytes:
        signed.append(message)
        return b""

    with pytest.raises(Refused):
        compact(JwtClaims(SpiffeId(ACME, path), audiences, NOON, NOON + SECOND), "k", JwtAlgorithm.ES256, never)
    assert not signed


@pytest.mark.parametrize("alg", [JwtAlgorithm.RS256, JwtAlgorithm.ES512])
def test_a_signer_of_another_kind_is_our_mistake(alg: JwtAlgorithm) -> None:
    said = JwtClaims(SpiffeId(ACME, ("web",)), (PAY,), NOON, NOON + SECOND)
    with pytest.raises(Broken) as caught:
        compact(said, "k", JwtAlgorithm.ES256, lambda message: sign(message, key_for(alg)[1], alg))
    assert caught.value.code == "jwt-signer-mismatch"


def test_tokens_are_compared_by_their_text() -> None:
    text = headed()
    assert JwtSvid.parse(text) == JwtSvid.parse(text)
    assert len({JwtSvid.parse(text), JwtSvid.parse(text)}) == 1
    assert JwtSvid.parse(text) != JwtSvid.parse(headed())

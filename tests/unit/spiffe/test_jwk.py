from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.ca import PrivateKey, p256, p384, rsa2048
from trustplane.fault import Refused
from trustplane.spiffe.jwk import from_jwk, to_jwk
from trustplane.spiffe.public_keys import PublicKey, spki, supported

EC = {
    "kty": "EC",
    "crv": "P-256",
    # RFC 7517 Appendix A.1
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


@pytest.mark.parametrize("key", [p256(), p384(), ec.generate_private_key(ec.SECP521R1()), rsa2048()])
def test_a_key_survives_the_way_there_and_back(key: PrivateKey) -> None:
    public = public_of(key)
    assert spki(from_jwk(to_jwk(public), "a key")) == spki(public)


def test_the_key_of_the_rfc_is_read_and_written_as_it_stands_there() -> None:
    assert to_jwk(from_jwk(EC, "a key")) == EC


def test_coordinates_keep_their_leading_zeros() -> None:
    """RFC 7518 §6.2.1.2; a producer that drops them makes keys that one reader in 256 refuses."""
    key = next(each for each in (p256().public_key() for _ in range(10_000)) if each.public_numbers().x < 2**248)
    jwk = to_jwk(key)
    assert len(base64.urlsafe_b64decode(jwk["x"] + "=")) == 32
    assert spki(from_jwk(jwk, "a key")) == spki(key)


@pytest.mark.parametrize(
    "change",
    [
        {"x": None},
        {"y": 5},
        {"x": EC["y"]},
        {"x": "AA"},
        {"x": ""},
        {"crv": "P-384"},
        {"crv": "p-256"},
        {"x": "\ud800"},
    ],
)
def test_parameters_that_make_no_key_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        from_jwk({**EC, **change}, "a key")
    assert caught.value.code == "bad-jwk"


@pytest.mark.parametrize("change", [{"n": ""}, {"n": "AA"}, {"e": "AA"}, {"e": "Ag"}, {"n": None}, {"e": ""}])
def test_rsa_parameters_that_make_no_key_are_refused(change: dict[str, object]) -> None:
    jwk: dict[str, object] = {**to_jwk(rsa2048().public_key()), **change}
    with pytest.raises(Refused) as caught:
        from_jwk(jwk, "a key")
    assert caught.value.code == "bad-jwk"


@pytest.mark.parametrize("bits", [1024, 16384])
def test_rsa_keys_are_neither_weak_nor_slow(bits: int) -> None:
    modulus = base64.urlsafe_b64encode((2**bits - 1).to_bytes(bits // 8)).rstrip(b"=").decode()
    with pytest.raises(Refused) as caught:
        from_jwk({"kty": "RSA", "n": modulus, "e": "AQAB"}, "a key")
    assert caught.value.code == "unsupported-key"


def public_of(key: PrivateKey) -> PublicKey:
    return supported(key.public_key(), "the test's key")

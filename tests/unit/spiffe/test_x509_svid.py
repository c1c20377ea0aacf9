"""X509-SVID, rule by rule: each certificate breaks one rule and passes when mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.kit.ca import (
    CLIENT_AND_SERVER,
    NO_NAME,
    NOON,
    Overrides,
    PrivateKey,
    TestCa,
    key_usage,
    name,
    p256,
    p384,
    pkcs8,
    rsa2048,
    san,
)
from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import MAX_CHAIN, MAX_KEY_BYTES, KeyedSvid, X509Svid

ROOT = TestCa.root("acme.example")
BUNDLES = BundleSet.of(Bundle(ROOT.trust_domain, (ROOT.certificate,)))
WEB = "spiffe://acme.example/web"
AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
NO_AUTHORITY = (x509.BasicConstraints(ca=False, path_length=None), True)


def accepted(chain: tuple[x509.Certificate, ...]) -> None:
    assert str(verify_x509(X509Svid(chain), BUNDLES, NOON)) == WEB


def refused(chain: tuple[x509.Certificate, ...], *codes: str) -> None:
    with pytest.raises(Refused) as caught:
        X509Svid(chain)
    assert tuple(finding.code for finding in caught.value.findings) == codes


def leaf(overrides: Overrides) -> tuple[x509.Certificate, ...]:
    return ROOT.leaf_chain(WEB, **overrides)[0]


def behind(overrides: Overrides) -> tuple[x509.Certificate, ...]:
    """A good leaf under an intermediate that is otherwise than it should be."""
    return ROOT.intermediate(**overrides).leaf_chain(WEB)[0]


@pytest.mark.parametrize(
    "uris", [(), (WEB, "spiffe://acme.example/pay"), (WEB, WEB), (WEB, "https://acme.example/"), (WEB, "urn:a:b")]
)
def test_x5_1_exactly_one_uri_name(uris: tuple[str, ...]) -> None:
    refused(leaf({"uris": uris, "dns": ("web.acme.example",)}), "svid-uri-sans")
    accepted(leaf({"uris": (WEB,), "dns": ("web.acme.example",)}))


def test_x5_1_other_names_may_stand_beside_it() -> None:
    accepted(leaf({"dns": ("web.acme.example", "web"), "subject": name("web"), "san_critical": False}))


def test_x5_1_no_subject_alternative_name_at_all() -> None:
    refused(leaf({"san": None, "subject": name("web")}), "svid-uri-sans")


def test_x5_2_a_leaf_has_a_path() -> None:
    refused(leaf({"uris": ("spiffe://acme.example",)}), "svid-without-path")
    accepted(leaf({"uris": (WEB,)}))


def test_x5_2_the_names_are_critical_when_there_is_no_subject() -> None:
    refused(leaf({"subject": NO_NAME, "san_critical": False}), "svid-names-not-critical")
    accepted(leaf({"subject": NO_NAME, "san_critical": True}))
    accepted(leaf({"subject": name("web"), "san_critical": False}))
    accepted(leaf({"subject": name("web"), "san_critical": True}))


def test_x5_3_a_signer_with_an_id_has_no_path() -> None:
    refused(behind({"uris": ("spiffe://acme.example/ca",)}), "svid-signer-id")
    accepted(behind({"uris": ("spiffe://acme.example",)}))


def test_x5_3_a_signer_may_be_no_svid() -> None:
    accepted(behind({"uris": ()}))
    accepted(behind({"uris": ("https://acme.example/ca", "urn:acme:ca")}))


@pytest.mark.parametrize(
    "uris", [("spiffe://acme.example", "https://acme.example/ca"), ("spiffe://acme.example/",), ("spiffe://ACME",)]
)
def test_x5_3_a_signer_with_a_spiffe_uri_is_a_whole_svid(uris: tuple[str, ...]) -> None:
    refused(behind({"uris": uris}), "svid-signer-id")


def test_x5_3_a_signing_certificate_does_not_authenticate() -> None:
    signer = ROOT.intermediate()
    refused((signer.certificate,), "svid-without-path", "svid-leaf-is-authority", "svid-leaf-key-usage")


def test_x5_4_a_leaf_is_no_authority() -> None:
    refused(leaf({"basic_constraints": AUTHORITY}), "svid-leaf-is-authority")
    accepted(leaf({"basic_constraints": NO_AUTHORITY}))
    accepted(leaf({"basic_constraints": None}))


@pytest.mark.parametrize("constraints", [None, NO_AUTHORITY])
def test_x5_4_a_signer_is_an_authority(constraints: tuple[x509.ExtensionType, bool] | None) -> None:
    refused(behind({"basic_constraints": constraints}), "svid-signer-not-authority")
    accepted(behind({"basic_constraints": AUTHORITY}))


def test_x5_4_a_path_length_is_honoured() -> None:
    none_below = ROOT.intermediate(basic_constraints=(x509.BasicConstraints(ca=True, path_length=0), True))
    accepted(none_below.leaf_chain(WEB)[0])
    with pytest.raises(Refused) as caught:
        verify_x509(X509Svid(none_below.intermediate().leaf_chain(WEB)[0]), BUNDLES, NOON)
    assert caught.value.code == "svid-not-vouched-for"


def test_x5_5_uri_name_constraints_are_well_formed_and_not_vouched_for() -> None:
    """They are allowed on signers; the library cannot check them, so a chain that needs it is not believed."""
    constraints = x509.NameConstraints([x509.UniformResourceIdentifier("acme.example")], None)
    svid = X509Svid(behind({"extra": [(constraints, True)]}))
    with pytest.raises(Refused) as caught:
        verify_x509(svid, BUNDLES, NOON)
    assert caught.value.code == "svid-not-vouched-for"
    assert "name constraint" in str(caught.value)
    accepted(behind({"extra": [(x509.NameConstraints([x509.DNSName("acme.example")], None), True)]}))


@pytest.mark.parametrize("usage", [None, (key_usage("digital_signature"), False)])
def test_x5_6_key_usage_is_present_and_critical_on_a_leaf(usage: tuple[x509.ExtensionType, bool] | None) -> None:
    refused(leaf({"key_usage": usage}), "svid-key-usage-not-critical")
    accepted(leaf({"key_usage": (key_usage("digital_signature"), True)}))


@pytest.mark.parametrize("usage", [None, (key_usage("key_cert_sign"), False)])
def test_x5_6_key_usage_is_present_and_critical_on_a_signer(usage: tuple[x509.ExtensionType, bool] | None) -> None:
    refused(behind({"key_usage": usage}), "svid-key-usage-not-critical")
    accepted(behind({"key_usage": (key_usage("key_cert_sign"), True)}))


@pytest.mark.parametrize(
    "usages",
    [("key_encipherment",), ("digital_signature", "key_cert_sign"), ("digital_signature", "crl_sign")],
)
def test_x5_6_a_leaf_signs_for_itself_and_for_nobody_else(usages: tuple[str, ...]) -> None:
    refused(leaf({"key_usage": (key_usage(*usages), True)}), "svid-leaf-key-usage")
    accepted(leaf({"key_usage": (key_usage("digital_signature", "key_encipherment", "key_agreement"), True)}))


def test_x5_6_a_signer_may_sign_certificates() -> None:
    refused(behind({"key_usage": (key_usage("crl_sign"), True)}), "svid-signer-key-usage")
    accepted(behind({"key_usage": (key_usage("key_cert_sign", "crl_sign"), True)}))


@pytest.mark.parametrize(
    "uses",
    [
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        [ExtendedKeyUsageOID.SERVER_AUTH],
        [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
    ],
)
def test_x5_7_extended_key_usage_holds_both_uses_or_is_absent(uses: list[x509.ObjectIdentifier]) -> None:
    refused(leaf({"extended_key_usage": (x509.ExtendedKeyUsage(uses), False)}), "svid-extended-key-usage")
    accepted(leaf({"extended_key_usage": (CLIENT_AND_SERVER, False)}))
    accepted(leaf({"extended_key_usage": (CLIENT_AND_SERVER, True)}))
    accepted(leaf({"extended_key_usage": None}))


def test_x5_8_the_path_is_validated_to_a_root_of_the_bundle() -> None:
    stranger = TestCa.root("acme.example")
    with pytest.raises(Refused) as caught:
        verify_x509(X509Svid(stranger.leaf_chain(WEB)[0]), BUNDLES, NOON)
    assert caught.value.code == "svid-not-vouched-for"
    accepted(leaf({}))


def test_x5_8_an_unknown_critical_extension_is_refused_and_an_uncritical_one_passed_over() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    for chain in (leaf({"extra": [(unknown, True)]}), behind({"extra": [(unknown, True)]})):
        with pytest.raises(Refused) as caught:
            verify_x509(X509Svid(chain), BUNDLES, NOON)
        assert caught.value.code == "svid-not-vouched-for"
    accepted(leaf({"extra": [(unknown, False)]}))
    accepted(behind({"extra": [(unknown, False)]}))


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"basic_constraints": AUTHORITY}, "svid-leaf-is-authority"),
        ({"key_usage": (key_usage("digital_signature", "key_cert_sign"), True)}, "svid-leaf-key-usage"),
        ({"key_usage": (key_usage("digital_signature", "crl_sign"), True)}, "svid-leaf-key-usage"),
        ({"uris": ("https://acme.example/web",)}, "bad-spiffe-id"),
        ({"uris": ("spiffe://acme.example",)}, "svid-without-path"),
        ({"uris": (WEB, "spiffe://other.example/web")}, "svid-uri-sans"),
    ],
)
def test_x5_9_what_may_not_authenticate_does_not(overrides: Overrides, code: str) -> None:
    refused(leaf(overrides), code)
    accepted(leaf({}))


def test_all_faults_of_a_chain_are_told_at_once() -> None:
    bad_signer = ROOT.intermediate(key_usage=(key_usage("crl_sign"), True), uris=("spiffe://acme.example/ca",))
    chain, _ = bad_signer.leaf_chain(WEB, uris=(), subject=name("web"), key_usage=None)
    refused(chain, "svid-uri-sans", "svid-key-usage-not-critical", "svid-signer-key-usage", "svid-signer-id")


def test_a_root_does_not_travel_with_the_leaf() -> None:
    signer = ROOT.intermediate()
    refused((*signer.leaf_chain(WEB)[0], ROOT.certificate), "svid-holds-root")
    accepted(signer.leaf_chain(WEB)[0])


def test_a_self_issued_signer_is_no_root() -> None:
    """RFC 5280 §6.1: a CA that changes its key signs the new key under its own name."""
    accepted(behind({"subject": ROOT.certificate.subject}))


def test_chains_are_bounded() -> None:
    signer = ROOT
    for _ in range(MAX_CHAIN - 1):
        signer = signer.intermediate()
    accepted(signer.leaf_chain(WEB)[0])
    refused(signer.intermediate().leaf_chain(WEB)[0], "svid-chain-length")
    refused((), "svid-chain-length")


def test_intermediates_may_come_in_any_order() -> None:
    first, *signers = ROOT.intermediate().intermediate().leaf_chain(WEB)[0]
    accepted((first, *reversed(signers)))


@pytest.mark.parametrize("key", [p256(), p384(), ec.generate_private_key(ec.SECP521R1()), rsa2048()])
def test_keys_of_supported_kinds_are_held_with_their_svid(key: PrivateKey) -> None:
    chain, _ = ROOT.leaf_chain(WEB, key=key)
    keyed = KeyedSvid(X509Svid(chain), pkcs8(key))
    loaded = serialization.load_pem_private_key(keyed.key_pem(), None)
    assert loaded.public_key() == chain[0].public_key()


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - weak on purpose
    ],
)
def test_keys_of_other_kinds_are_refused(key: PrivateKey) -> None:
    refused(leaf({"key": key}), "unsupported-key")


def test_a_key_of_another_certificate_is_refused() -> None:
    chain, key = ROOT.leaf_chain(WEB)
    KeyedSvid(X509Svid(chain), pkcs8(key))
    for other in (p256(), rsa2048()):
        with pytest.raises(Refused) as caught:
            KeyedSvid(X509Svid(chain), pkcs8(other))
        assert caught.value.code == "svid-key-mismatch"


def test_only_an_unencrypted_pkcs8_key_is_taken() -> None:
    chain, key = ROOT.leaf_chain(WEB)
    der, plain = serialization.Encoding.DER, serialization.NoEncryption()
    for spelled in (
        key.private_bytes(der, serialization.PrivateFormat.TraditionalOpenSSL, plain),
        key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        pkcs8(key) + b"\x00",
        b"",
        bytes(MAX_KEY_BYTES + 1),
    ):
        with pytest.raises(Refused) as caught:
            KeyedSvid(X509Svid(chain), spelled)
        assert caught.value.code == "bad-private-key"
        assert caught.value.__cause__ is None


def test_a_key_is_never_shown() -> None:
    chain, key = ROOT.leaf_chain(WEB)
    shown = repr(KeyedSvid(X509Svid(chain), pkcs8(key)))
    assert "acme.example" in shown
    assert "key" not in shown


def test_replacing_the_chain_of_a_value_checks_it_again() -> None:
    svid = X509Svid(leaf({}))
    with pytest.raises(Refused):
        replace(svid, chain=leaf({"basic_constraints": AUTHORITY}))
    other = replace(svid, chain=ROOT.leaf_chain("/pay")[0])
    assert other.spiffe_id.path == ("pay",)


def test_an_svid_answers_for_its_leaf() -> None:
    chain, _ = ROOT.intermediate().leaf_chain(WEB, serial=77, not_before=NOON, not_after=NOON + timedelta(hours=1))
    svid = X509Svid(chain)
    assert (svid.serial, svid.not_before, svid.not_after) == (77, NOON, NOON + timedelta(hours=1))
    assert svid.leaf == chain[0]
    assert svid == X509Svid(chain)
    assert hash(svid) == hash(X509Svid(chain))


def test_a_name_that_is_no_ia5_text_is_refused() -> None:
    chain = leaf({"san": (san(WEB, dns=("web",)), True)})
    (der,) = X509Svid(chain).der()
    with pytest.raises(Refused):
        X509Svid.from_der([der.replace(b"acme.example/web", b"acme.example/w\xff\xfe")])

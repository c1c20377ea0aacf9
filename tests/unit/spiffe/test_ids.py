"""SPIFFE-ID, rule by rule. Each rule has an input that breaks it alone, beside its mended form."""

from __future__ import annotations

import string
import subprocess
import sys

import pytest

from tests.kit.ca import NOON, TestCa
from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import MAX_ID_BYTES, MAX_TRUST_DOMAIN_BYTES, SpiffeId, TrustDomain
from trustplane.spiffe.jwt_svid import JwtSvid
from trustplane.spiffe.public_keys import spki
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import X509Svid

IN_TRUST_DOMAINS = set(string.ascii_lowercase + string.digits + "._-")
IN_PATHS = IN_TRUST_DOMAINS | set(string.ascii_uppercase)


def refuses(broken: str, mended: str) -> None:
    assert str(SpiffeId.parse(mended)) == mended
    with pytest.raises(Refused) as caught:
        SpiffeId.parse(broken)
    assert caught.value.code == "bad-spiffe-id"


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("https://acme.example/web", "spiffe://acme.example/web"),
        ("spiffe:acme.example/web", "spiffe://acme.example/web"),
        ("spiffe:/acme.example/web", "spiffe://acme.example/web"),
        ("acme.example/web", "spiffe://acme.example/web"),
        ("spiffe:///web", "spiffe://a/web"),
        ("spiffe://", "spiffe://a"),
        ("", "spiffe://a"),
    ],
)
def test_id_1_the_scheme_is_spiffe_and_the_trust_domain_is_not_empty(broken: str, mended: str) -> None:
    refuses(broken, mended)


@pytest.mark.parametrize("tail", ["?version=1", "?", "#top", "#"])
def test_id_2_no_query_and_no_fragment(tail: str) -> None:
    refuses(f"spiffe://acme.example/web{tail}", "spiffe://acme.example/web")
    refuses(f"spiffe://acme.example{tail}", "spiffe://acme.example")


@pytest.mark.parametrize(
    "host", ["user@acme.example", "user:pw@acme.example", "acme.example:443", "acme.example:", "@acme.example",
             "Acme.example", "acme%2eexample", "acmé.example", "xn--acm:", "[::1]", "acme.example\n", " acme.example"]
)  # fmt: skip
def test_id_3_the_trust_domain_is_lower_case_letters_digits_dot_dash_underscore(host: str) -> None:
    refuses(f"spiffe://{host}/web", "spiffe://acme.example/web")


@pytest.mark.parametrize(
    "name", ["10.0.0.1", "255.255.255.256", "localhost", "a" * 64 + ".example", "-acme", "_acme", "acme.", "..", "a..b"]
)
def test_id_4_names_that_look_like_addresses_or_break_dns_rules_are_names_like_any_other(name: str) -> None:
    assert SpiffeId.parse(f"spiffe://{name}/web").trust_domain == TrustDomain(name)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("/we%62", "/web"),
        ("//web", "/web"),
        ("/ns//web", "/ns/web"),
        ("/", ""),
        ("/web/", "/web"),
        ("/./web", "/.web"),
        ("/ns/..", "/ns/..."),
        ("/../web", "/..web"),
        ("/we b", "/we-b"),
        ("/we:b", "/we_b"),
        ("/wéb", "/web"),
        ("/web\n", "/web"),
    ],
)
def test_id_5_the_path_has_plain_segments_none_empty_none_of_dots(broken: str, mended: str) -> None:
    refuses(f"spiffe://acme.example{broken}", f"spiffe://acme.example{mended}")


def test_id_6_ids_of_2048_bytes_are_read_and_longer_ones_refused() -> None:
    longest = "spiffe://acme.example/".ljust(MAX_ID_BYTES, "a")
    assert len(longest) == 2048
    refuses(longest + "a", longest)


def test_id_6_trust_domains_of_255_bytes_are_read_and_longer_ones_refused() -> None:
    longest = "a" * MAX_TRUST_DOMAIN_BYTES
    refuses(f"spiffe://{longest}a/web", f"spiffe://{longest}/web")


def test_id_7_upper_case_in_scheme_or_domain_is_refused_and_in_the_path_is_another_name() -> None:
    refuses("SPIFFE://acme.example/web", "spiffe://acme.example/web")
    refuses("spiffe://ACME.example/web", "spiffe://acme.example/web")
    assert SpiffeId.parse("spiffe://acme.example/Web") != SpiffeId.parse("spiffe://acme.example/web")


def test_id_8_a_signing_authority_bears_the_id_of_its_domain_without_a_path() -> None:
    root = TestCa.root("acme.example")
    assert str(root.trust_domain.id) == "spiffe://acme.example"
    X509Svid(root.intermediate(uris=(str(root.trust_domain.id),)).leaf_chain("/web")[0])
    with pytest.raises(Refused) as caught:
        X509Svid(root.intermediate(uris=("spiffe://acme.example/ca",)).leaf_chain("/web")[0])
    assert caught.value.code == "svid-signer-id"


def test_id_9_an_id_or_key_changed_after_signing_is_refused() -> None:
    root = TestCa.root("acme.example")
    leaf, _ = root.leaf("/web")
    other, _ = root.leaf("/web")
    (der,) = X509Svid((leaf,)).der()
    bundles = BundleSet.of(Bundle(root.trust_domain, (root.certificate,)))
    assert verify_x509(X509Svid.from_der([der]), bundles, NOON).path == ("web",)
    key, other_key = (X509Svid((each,)).public_key for each in (leaf, other))
    for forged in (der.replace(b"acme.example/web", b"acme.example/pay"), der.replace(spki(key), spki(other_key))):
        assert forged != der
        with pytest.raises(Refused) as caught:
            verify_x509(X509Svid.from_der([forged]), bundles, NOON)
        assert caught.value.code == "svid-not-vouched-for"


@pytest.mark.parametrize("document", ["spiffe://acme.example/web", "eyJhbGciOiJFUzI1NiIsInR5cCI6IndpdCtqd3QifQ.e30.AA"])
def test_id_10_what_is_no_specified_document_is_no_svid(document: str) -> None:
    with pytest.raises(Refused):
        JwtSvid.parse(document)
    with pytest.raises(Refused):
        X509Svid.from_pem(document.encode())
    with pytest.raises(Refused):
        X509Svid.from_der([document.encode()])


@pytest.mark.parametrize("code_point", [each for each in range(256) if chr(each) != "/"])
def test_every_code_point_in_the_trust_domain(code_point: int) -> None:
    name = f"td{chr(code_point)}td"
    if chr(code_point) in IN_TRUST_DOMAINS:
        assert SpiffeId.parse(f"spiffe://{name}/web").trust_domain.name == name
    else:
        refuses(f"spiffe://{name}/web", "spiffe://tdtd/web")


@pytest.mark.parametrize("code_point", [each for each in range(256) if chr(each) != "/"])
def test_every_code_point_in_the_path(code_point: int) -> None:
    segment = f"we{chr(code_point)}b"
    if chr(code_point) in IN_PATHS:
        assert SpiffeId.parse(f"spiffe://td/{segment}").path == (segment,)
    else:
        refuses(f"spiffe://td/{segment}", "spiffe://td/web")


def test_the_constructor_refuses_what_parsing_refuses() -> None:
    acme = TrustDomain("acme.example")
    for path in (("..", "admin"), ("",), ("a/b",), ("a\n",), (".",)):
        with pytest.raises(Refused):
            SpiffeId(acme, path)
    with pytest.raises(Refused):
        SpiffeId(acme, ("a" * MAX_ID_BYTES,))
    with pytest.raises(Refused):
        TrustDomain("Acme")


def test_a_refusal_quotes_at_most_a_little_of_a_huge_input() -> None:
    with pytest.raises(Refused) as caught:
        SpiffeId.parse("spiffe://" + "A" * 1_000_000)
    assert len(str(caught.value)) < 1000


def test_names_are_imported_without_the_crypto_library() -> None:
    """Commands that only talk about IDs start at once."""
    asked = "import sys, trustplane.spiffe.names, trustplane.spiffe.selectors; print('cryptography' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"

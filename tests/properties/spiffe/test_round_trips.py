"""What is written is read back the same, for every value; what is read was the only way to write it."""

from __future__ import annotations

import string
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.ca import NOON, TestCa, p256, p384, pkcs8, rsa2048
from tests.kit.tokens import SigningKey, sign
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import MAX_SEQUENCE, Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.ids import MAX_TRUST_DOMAIN_BYTES, SpiffeId, TrustDomain
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import JwtClaims, JwtSvid, compact, verify_jwt
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

DOMAINS = st.text(string.ascii_lowercase + string.digits + "._-", min_size=1, max_size=MAX_TRUST_DOMAIN_BYTES).map(
    TrustDomain
)
SEGMENTS = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=40).filter(
    lambda segment: segment not in {".", ".."}
)
IDS = st.builds(SpiffeId, DOMAINS, st.lists(SEGMENTS, max_size=8).map(tuple))
WORKLOADS = st.builds(SpiffeId, DOMAINS, st.lists(SEGMENTS, min_size=1, max_size=8).map(tuple))

ROOTS = tuple(TestCa.root("acme.example", key=key).certificate for key in (p256(), p256(), p384(), rsa2048()))
KEYS: dict[JwtAlgorithm, SigningKey] = {
    JwtAlgorithm.ES256: p256(),
    JwtAlgorithm.ES384: p384(),
    JwtAlgorithm.RS256: rsa2048(),
    JwtAlgorithm.PS512: rsa2048(),
}
KIDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=256).filter(str.isprintable)
JWT_AUTHORITIES = st.lists(
    st.builds(JwtAuthority, KIDS, st.sampled_from([key.public_key() for key in KEYS.values()])),
    max_size=4,
    unique_by=lambda authority: authority.kid,
).map(tuple)
BUNDLES = st.builds(
    Bundle,
    DOMAINS,
    st.lists(st.sampled_from(ROOTS), unique=True).map(tuple),
    JWT_AUTHORITIES,
    st.none() | st.integers(0, MAX_SEQUENCE),
    st.none() | st.integers(1, 10**8).map(lambda seconds: timedelta(seconds=seconds)),
)
# A surrogate on its own is no text; see strict_json.
AUDIENCES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@given(IDS)
def test_an_id_is_read_back(spiffe_id: SpiffeId) -> None:
    assert SpiffeId.parse(str(spiffe_id)) == spiffe_id


@given(IDS, IDS)
def test_two_ids_are_equal_only_when_written_the_same(one: SpiffeId, other: SpiffeId) -> None:
    assert (one == other) == (str(one) == str(other))


@given(BUNDLES)
def test_a_bundle_is_read_back(bundle: Bundle) -> None:
    document = bundle_document.encode(bundle)
    read = bundle_document.decode(document, bundle.trust_domain)
    assert read == bundle
    assert read.digest == bundle.digest
    assert bundle_document.encode(read) == document


@given(BUNDLES, BUNDLES)
def test_digests_are_equal_only_for_the_same_trust(one: Bundle, other: Bundle) -> None:
    same = (
        one.trust_domain == other.trust_domain
        and set(one.x509_authorities) == set(other.x509_authorities)
        and set(one.jwt_authorities) == set(other.jwt_authorities)
    )
    assert (one.digest == other.digest) == same


@given(st.lists(BUNDLES, max_size=4, unique_by=lambda bundle: bundle.trust_domain))
def test_a_bundle_map_is_read_back_without_hints(bundles: list[Bundle]) -> None:
    read = bundle_document.decode_map(bundle_document.encode_map(BundleSet.of(*bundles)))
    assert {(domain, each.digest, each.sequence, each.refresh_hint) for domain, each in read.items()} == {
        (each.trust_domain, each.digest, each.sequence, None) for each in bundles
    }


@given(WORKLOADS, st.lists(AUDIENCES, min_size=1, max_size=5), st.sampled_from(sorted(KEYS, key=str)), KIDS)
def test_a_token_is_read_back_and_believed_by_its_audience(
    spiffe_id: SpiffeId, audiences: list[str], alg: JwtAlgorithm, kid: str
) -> None:
    key = KEYS[alg]
    said = JwtClaims(spiffe_id, tuple(audiences), NOON, NOON + timedelta(minutes=5))
    text = compact(said, kid, alg, lambda message: sign(message, key, alg))
    bundles = BundleSet.of(Bundle(spiffe_id.trust_domain, (), (JwtAuthority(kid, key.public_key()),)))
    svid = verify_jwt(text, audiences[-1], bundles, NOON)
    assert (svid.spiffe_id, svid.audiences, svid.kid) == (spiffe_id, tuple(audiences), kid)
    assert JwtSvid.parse(svid.token) == svid


@given(WORKLOADS, st.integers(0, 3), st.sampled_from([p256, p384]))
def test_an_svid_is_read_back_from_every_form_and_believed(spiffe_id: SpiffeId, depth: int, make_key: object) -> None:
    root = signer = TestCa.root(spiffe_id.trust_domain)
    for _ in range(depth):
        signer = signer.intermediate()
    chain, key = signer.leaf_chain(spiffe_id, key=p384() if make_key is p384 else p256())
    svid = X509Svid(chain)
    assert X509Svid.from_der(svid.der()) == svid
    assert X509Svid.from_concatenated_der(b"".join(svid.der())) == svid
    assert X509Svid.from_pem(svid.pem()) == svid
    assert KeyedSvid(svid, pkcs8(key)).svid == svid
    assert verify_x509(svid, BundleSet.of(Bundle(root.trust_domain, (root.certificate,))), NOON) == spiffe_id

"""What is shaped is, byte for byte, what the library's own builder would sign, and what every verifier accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.issuing_ports import ACME, NODE, NOON, MemoryAuthority, leaf_key
from trustplane.issuance.admit import Admitted, Right, admit, admit_server
from trustplane.issuance.ask import Ask
from trustplane.issuance.csr import Csr
from trustplane.issuance.lints import lint
from trustplane.issuance.serial import serial_from
from trustplane.issuance.shape import Order, shape
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import X509Svid

AUTHORITY = MemoryAuthority.at(NOON)
OLD_AUTHORITY = MemoryAuthority.at(datetime(2049, 12, 1, tzinfo=UTC), timedelta(days=365))  # crosses UTCTime's end
BUILDER_KEY = ec.generate_private_key(ec.SECP256R1())
CSRS = {kind: Csr.parse(leaf_key(kind).csr()) for kind in KeyKind}

SEGMENTS = st.text("abcXYZ019._-", min_size=1, max_size=60).filter(lambda text: text not in {".", ".."})
IDS = st.lists(SEGMENTS, min_size=1, max_size=30).map(lambda path: SpiffeId(ACME, ("ns", *path)))


@st.composite
def admitted(draw: st.DrawFn) -> Admitted:
    kind = draw(st.sampled_from(KeyKind))
    lifetime = timedelta(seconds=draw(st.integers(20, 90 * 86400)))
    backdate = timedelta(seconds=draw(st.integers(0, 3600)))
    profile = Profile("any", 1, kind, lifetime, backdate, RenewalWindow(0.5, 0.75))
    if draw(st.booleans()):
        return admit_server(ACME, NODE, CSRS[kind], profile)
    spiffe_id = draw(IDS)
    return admit(Ask(NODE, spiffe_id, CSRS[kind]), Right(NODE, spiffe_id, profile))


SERIALS = st.binary(min_size=16, max_size=16).map(serial_from)
SECONDS = st.floats(0, 29 * 86400).map(lambda seconds: timedelta(seconds=seconds))


def built(order: Order, authority: MemoryAuthority) -> bytes:
    """The same certificate by `CertificateBuilder`, which needs a key to sign with; its body is all we look at."""
    issuer = authority.issuing.certificate
    assert issuer is not None
    spki = order.admitted.csr.spki
    key = serialization.load_der_public_key(spki)
    assert isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey))
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(order.admitted.spiffe_id))]
    names += [x509.DNSName(each) for each in order.admitted.dns_names]
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    sides = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .serial_number(order.serial)
        .issuer_name(issuer.subject)
        .subject_name(x509.Name([]))
        .not_valid_before(order.not_before)
        .not_valid_after(order.not_after)
        .public_key(key)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(sides), critical=False)
        .add_extension(x509.SubjectKeyIdentifier(_sha256(spki)[:20]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    )
    return builder.sign(BUILDER_KEY, hashes.SHA256()).tbs_certificate_bytes


@given(admitted=admitted(), serial=SERIALS, after=SECONDS)
def test_the_body_is_byte_equal_to_the_builders(admitted: Admitted, serial: int, after: timedelta) -> None:
    for authority in (AUTHORITY, OLD_AUTHORITY):
        order = shape(admitted, authority.issuing, serial, authority.issuing.not_before + after)
        assert order.peek() == built(order, authority)


@given(admitted=admitted(), serial=SERIALS, after=SECONDS)
def test_every_leaf_passes_its_lints_and_is_vouched_for(admitted: Admitted, serial: int, after: timedelta) -> None:
    at = NOON + after
    order = shape(admitted, AUTHORITY.issuing, serial, at)
    lint(order)
    issuer, root = AUTHORITY.issuing.certificate, AUTHORITY.root.certificate
    assert issuer is not None
    assert root is not None
    svid = X509Svid.from_der([AUTHORITY.leaf(order), issuer.public_bytes(serialization.Encoding.DER)])
    assert verify_x509(svid, BundleSet.of(Bundle(ACME, (root,))), at) == admitted.spiffe_id
    assert AUTHORITY.issuing.not_before <= svid.not_before <= at < svid.not_after <= AUTHORITY.issuing.not_after


def _sha256(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()

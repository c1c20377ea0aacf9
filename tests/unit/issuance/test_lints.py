"""Each lint finds its own mistake: an order that is right but for one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.kit.issuing_ports import NODE, NOON, WEB, MemoryAuthority, leaf_key, profile
from trustplane.fault import Broken
from trustplane.issuance import tbs
from trustplane.issuance.admit import Right, admit, admit_server
from trustplane.issuance.ask import Ask
from trustplane.issuance.csr import Csr
from trustplane.issuance.lints import LINTS, lint
from trustplane.issuance.shape import Order, shape
from trustplane.issuance.tbs import Body, Extension, extension
from trustplane.registry.model import KeyKind
from trustplane.spiffe.ids import TrustDomain

AUTHORITY = MemoryAuthority.at(NOON)
SERIAL = (1 << 126) + 7
ADMITTED = admit(Ask(NODE, WEB, Csr.parse(leaf_key().csr())), Right(NODE, WEB, profile()))
GOOD = asn1.decode_der(tbs._TbsCertificate, shape(ADMITTED, AUTHORITY.issuing, SERIAL, NOON).peek())


def body(**changes: object) -> Body:
    """The right body, and what is changed in it."""
    right = Body(
        serial=SERIAL,
        issuer=GOOD.issuer,
        not_before=GOOD.validity.not_before.as_datetime(),
        not_after=GOOD.validity.not_after.as_datetime(),
        subject=tbs.EMPTY_NAME,
        spki=ADMITTED.csr.spki,
        extensions=tuple(GOOD.extensions),
    )
    return replace(right, **changes)  # type: ignore[arg-type]  # names and types are the test table's


def order(wrong: Body) -> Order:
    return Order(ADMITTED, AUTHORITY.issuing, wrong, NOON)


def with_(value: x509.ExtensionType, *, critical: bool) -> Sequence[Extension]:
    others = [each for each in GOOD.extensions if each.oid != value.oid]
    return (*others, extension(value, critical=critical))


def without(kind: type[x509.ExtensionType]) -> Sequence[Extension]:
    return tuple(each for each in GOOD.extensions if each.oid != kind.oid)


def usage(**bits: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: bits.get(name, False) for name in names})


def san(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


URI = x509.UniformResourceIdentifier(str(WEB))
OTHER_NAME = asn1.decode_der(asn1.TLV, x509.Name.from_rfc4514_string("CN=other").public_bytes())
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)

MISTAKES: list[tuple[str, Callable[[], Body]]] = [
    ("spiffe_x509_2_one_uri", lambda: body(extensions=with_(san(URI), critical=False))),
    ("spiffe_x509_2_one_uri", lambda: body(extensions=with_(san(URI, URI), critical=True))),
    ("spiffe_x509_2_one_uri", lambda: body(extensions=with_(san(URI, x509.DNSName("x")), critical=True))),
    ("spiffe_x509_2_one_uri", lambda: body(subject=OTHER_NAME)),
    ("spiffe_x509_4_1_not_a_ca", lambda: body(extensions=with_(x509.BasicConstraints(True, None), critical=True))),
    ("spiffe_x509_4_1_not_a_ca", lambda: body(extensions=with_(x509.BasicConstraints(False, None), critical=False))),
    ("spiffe_x509_4_3_key_usage", lambda: body(extensions=with_(usage(digital_signature=True), critical=False))),
    ("spiffe_x509_4_3_key_usage", lambda: body(extensions=with_(usage(key_agreement=True), critical=True))),
    (
        "spiffe_x509_4_3_key_usage",
        lambda: body(extensions=with_(usage(digital_signature=True, key_cert_sign=True), critical=True)),
    ),
    ("spiffe_x509_4_4_both_sides", lambda: body(extensions=with_(x509.ExtendedKeyUsage(BOTH[:1]), critical=False))),
    ("rfc5280_4_1_2_2_serial", lambda: body(serial=9)),
    ("rfc5280_4_1_2_5_validity", lambda: body(not_after=AUTHORITY.issuing.not_after + timedelta(seconds=1))),
    ("rfc5280_4_1_2_5_validity", lambda: body(not_before=AUTHORITY.issuing.not_before - timedelta(seconds=1))),
    ("rfc5280_4_1_2_5_validity", lambda: body(not_after=NOON + timedelta(hours=2))),
    ("rfc5280_4_1_2_5_validity", lambda: body(not_before=NOON + timedelta(hours=1))),
    ("rfc5280_4_2_1_1_issuer", lambda: body(issuer=OTHER_NAME)),
    (
        "rfc5280_4_2_1_1_issuer",
        lambda: body(extensions=with_(x509.AuthorityKeyIdentifier(bytes(20), None, None), critical=False)),
    ),
    ("rfc5280_4_2_1_2_key", lambda: body(spki=Csr.parse(leaf_key(KeyKind.P384).csr()).spki)),
    ("rfc5280_4_2_1_2_key", lambda: body(extensions=with_(x509.SubjectKeyIdentifier(bytes(20)), critical=False))),
    ("rfc5280_4_2_extensions", lambda: body(extensions=with_(x509.OCSPNoCheck(), critical=False))),
    ("rfc5280_4_2_extensions", lambda: body(extensions=(*GOOD.extensions, GOOD.extensions[0]))),
    *(
        (lint_name, lambda kind=kind: body(extensions=without(kind)))
        for lint_name, kind in (
            ("spiffe_x509_2_one_uri", x509.SubjectAlternativeName),
            ("spiffe_x509_4_1_not_a_ca", x509.BasicConstraints),
            ("spiffe_x509_4_3_key_usage", x509.KeyUsage),
            ("spiffe_x509_4_4_both_sides", x509.ExtendedKeyUsage),
            ("rfc5280_4_2_1_1_issuer", x509.AuthorityKeyIdentifier),
            ("rfc5280_4_2_1_2_key", x509.SubjectKeyIdentifier),
        )
    ),
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_a_mistake_is_found_by_the_lint_of_its_clause(name: str, mistake: Callable[[], Body]) -> None:
    wrong = order(mistake())
    if name == "rfc5280_4_1_2_2_serial":
        wrong.serial = SERIAL
    with pytest.raises(Broken) as broken:
        lint(wrong)
    assert broken.value.code == "lint-failed"
    assert f"{name}: " in broken.value.finding.why
    assert wrong.redeem(), "a lint consumes nothing"


def test_a_short_serial_is_found_even_when_it_was_ordered() -> None:
    with pytest.raises(Broken, match="not 16 octets"):
        lint(order(body(serial=9)))


def test_every_lint_has_a_mistake_that_only_it_is_named_for() -> None:
    assert {name for name, _ in MISTAKES} == LINTS.keys()


@pytest.mark.parametrize("kind", KeyKind)
def test_right_orders_of_every_kind_pass(kind: KeyKind) -> None:
    csr = Csr.parse(leaf_key(kind).csr())
    lint(shape(admit(Ask(NODE, WEB, csr), Right(NODE, WEB, profile(kind))), AUTHORITY.issuing, SERIAL, NOON))
    long = TrustDomain(".".join(["a" * 60] * 4))
    lint(shape(admit_server(long, NODE, csr, profile(kind)), AUTHORITY.issuing, SERIAL, NOON))


def test_bytes_that_cannot_be_read_back_are_not_signed() -> None:
    broken_order = order(body())
    broken_order._body = b"\x30\x00"
    with pytest.raises(Broken, match="cannot be read back"):
        lint(broken_order)

"""Texts as they are found, without being told who wrote them."""

from __future__ import annotations

import pytest

from tests.kit.fault_records import VECTORS
from trustplane.handshake.failure import MAX_TEXT, Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.recognise import Unknown, recognise, shape

TEXTS = [
    line.split(" ", 1) for line in (VECTORS / "texts.txt").read_text().splitlines() if line and not line.startswith("#")
]


@pytest.mark.parametrize(("signature", "text"), TEXTS, ids=[one for one, _ in TEXTS])
def test_a_text_is_recognised_without_its_origin(signature: str, text: str) -> None:
    assert recognise(Failure(text)).signature.id == signature


def test_one_text_means_different_things_by_side() -> None:
    text = "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
    sides = {side: recognise(Failure(text, Implementation.ENVOY, side)).signature.id for side in Side}
    assert sides == {Side.CLIENT: "envoy-tls-to-plaintext", Side.SERVER: "envoy-not-tls"}


@pytest.mark.parametrize(
    ("tls", "peer", "signature"),
    [
        (Tls.V1_3, "spiffe://acme.example/pay", "envoy-hidden-rejection"),
        (Tls.V1_2, "spiffe://acme.example/pay", "envoy-closed-after-handshake"),
        (None, "", "envoy-closed-before-tls"),
    ],
)
def test_an_end_without_a_reason_is_read_by_version_and_by_what_was_seen_of_the_peer(
    tls: Tls | None, peer: str, signature: str
) -> None:
    details = "upstream_reset_before_response_started{connection_termination}"
    record = Failure("", Implementation.ENVOY, Side.CLIENT, tls=tls, flags="UC", details=details, theirs=Claims(peer))
    assert recognise(record).signature.id == signature


def test_unknown_texts_of_one_shape_are_one_kind() -> None:
    one = recognise(Failure("weird thing 17 at 10.0.0.7:443 for spiffe://acme.example/web serial 0a0b0c0d0e0f"))
    other = recognise(Failure("weird thing 9321 at 10.1.2.3:8443 for spiffe://acme.example/pay serial ffee0a0b0c1d"))
    third = recognise(Failure("another thing 17"))
    assert isinstance(one.signature, Unknown)
    assert one.signature == other.signature
    assert one.signature.id == other.signature.id != third.signature.id


def test_a_shape_has_no_name_address_instant_or_number_left() -> None:
    text = "2026-11-26T10:00:00.123Z [::1]:443 spiffe://a.example/b 0xdeadbeef01 de:ad:be:ef:00 42"
    assert shape(text) == "<time> <address> <id> <hex> <hex> <number>"


def test_a_text_is_bounded() -> None:
    assert len(Failure("x" * 100_000).text) == MAX_TEXT
    assert len(shape("y" * 100_000)) <= MAX_TEXT

"""What the issuer knows decides between causes that one text has, and a made-up serial number makes nothing sure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.ca import TestCa
from tests.kit.handshakes import EXPIRED, UNKNOWN_ISSUER
from trustplane.handshake.diagnosis import Diagnosis, diagnose
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.issuer import Issuer, Leaf, serial_of
from trustplane.handshake.join import Pair
from trustplane.handshake.known import Known
from trustplane.spiffe.certificates import authority_key_id

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - certificates of the kit begin about now
DOMAIN, WEB = "acme.example", "spiffe://acme.example/web"
ROOT, OTHER = TestCa.root(DOMAIN), TestCa.root(DOMAIN)
ISSUING = ROOT.intermediate()
CHAIN, _ = ISSUING.leaf_chain("/web")
KEY = authority_key_id(CHAIN[0])
SERIAL = f"{CHAIN[0].serial_number:x}"
CLAIMS = Claims(WEB, SERIAL, "", CHAIN[0].not_valid_after_utc, KEY)
AT = CHAIN[0].not_valid_after_utc - timedelta(minutes=1)
KNOWS = Issuer(
    DOMAIN,
    {serial_of(SERIAL): Leaf(CHAIN)},
    frozenset({KEY}),
    {"new": (ROOT.certificate,), "old": (OTHER.certificate,)},
)


def server(text: str, at: datetime = AT, claims: Claims = CLAIMS, bundle: str = "new") -> Pair:
    judged = Failure(
        text, Implementation.ENVOY, Side.SERVER, (1, 40), Tls.V1_3, at, local="10.0.0.2:1", peer="10.0.0.1:2",
        theirs=claims, node="node-b", bundle=bundle,
    )  # fmt: skip
    return Pair(None, judged)


def evidence(of: Diagnosis, cause: str) -> str:
    return "\n".join(line for one in of.suspects if one.cause == cause for line in one.evidence)


def test_a_root_that_the_verifier_does_not_hold_is_told_from_one_that_it_does() -> None:
    lacking = diagnose(server(UNKNOWN_ISSUER, bundle="old"), Known(issuer=KNOWS))
    holding = diagnose(server(UNKNOWN_ISSUER), Known(issuer=KNOWS))
    assert lacking.cause == "unknown-issuer"
    assert lacking.suspects[0].confidence > holding.suspects[0].confidence
    assert (lacking.sure, holding.cause) == (True, "verify-depth")


def test_a_key_that_is_none_of_ours_points_at_another_issuer() -> None:
    stranger = replace(CLAIMS, serial="77", issuer_key="f" * 40)
    found = diagnose(server(UNKNOWN_ISSUER, claims=stranger), Known(issuer=KNOWS))
    assert found.cause == "unknown-issuer"
    assert "no authority of acme.example has the key ffffffffffffffff" in evidence(found, "unknown-issuer")
    theirs = replace(stranger, spiffe_id="spiffe://partner.example/web")
    assert "no authority" not in evidence(
        diagnose(server(UNKNOWN_ISSUER, claims=theirs), Known(issuer=KNOWS)), found.cause
    )


def test_an_expired_leaf_that_has_a_successor_was_not_taken_up() -> None:
    ended = CHAIN[0].not_valid_after_utc + timedelta(seconds=5)
    newer = Leaf(CHAIN, newer=AT)
    found = diagnose(server(EXPIRED, ended), Known(issuer=replace(KNOWS, leaves={serial_of(SERIAL): newer})))
    assert found.cause == "leaf-expired"
    assert f"another was issued at {AT:%Y-%m-%d %H:%M:%SZ}" in evidence(found, "leaf-expired")
    assert "still presented" not in evidence(diagnose(server(EXPIRED, ended), Known(issuer=KNOWS)), "leaf-expired")


def test_a_clock_that_is_off_stands_beside_what_it_breaks() -> None:
    off = replace(KNOWS, clocks={"node-b": timedelta(hours=2)})
    agrees = replace(KNOWS, clocks={"node-b": timedelta(seconds=1)})
    wrong, right = (diagnose(server(EXPIRED), Known(issuer=one)) for one in (off, agrees))
    assert "the clock of node-b is 7200 s ahead of the server's" in evidence(wrong, "clock-wrong")
    assert wrong.cause == "clock-wrong"
    assert "node-b agree with the server's" in evidence(right, "clock-wrong") or right.cause == "leaf-expired"


def test_words_that_the_facts_deny_make_nothing_sure() -> None:
    """A stranger may write any serial number, end and key into a certificate of its own."""
    agrees = replace(KNOWS, clocks={"node-b": timedelta(seconds=1)})
    without_end = replace(CLAIMS, not_after=None)
    found = diagnose(server(EXPIRED, claims=without_end), Known(issuer=agrees))
    assert not found.sure


@pytest.mark.parametrize("spoilt", [{"serial": "01"}, {"issuer_key": "0" * 40}, {"not_after": NOW + timedelta(days=9)}])
def test_a_chain_that_does_not_fit_the_record_is_left_out(spoilt: dict[str, object]) -> None:
    ended = CHAIN[0].not_valid_after_utc + timedelta(seconds=5)
    claims = replace(CLAIMS, **spoilt)  # type: ignore[arg-type] # fields of claims
    found = diagnose(server(EXPIRED, ended, claims), Known(issuer=KNOWS))
    assert "the leaf ended at" not in evidence(found, "leaf-expired")


def silent(claims: Claims = CLAIMS, at: datetime = AT) -> Pair:
    """A client that a TLS 1.3 server refused after the handshake, as its agent reports it."""
    details = "upstream_reset_before_response_started{connection_termination}"
    record = Failure(
        "", Implementation.ENVOY, Side.CLIENT, (1, 40), Tls.V1_3, at, "UC", details, "10.0.0.1:2", "10.0.0.2:1",
        Claims("spiffe://acme.example/pay"), claims, node="node-a", bundle="new",
    )  # fmt: skip
    return Pair(record, None)


def test_of_a_refusal_without_words_the_clients_own_leaf_says_more() -> None:
    ended = CHAIN[0].not_valid_after_utc + timedelta(seconds=5)
    revoked = replace(KNOWS, leaves={serial_of(SERIAL): Leaf(CHAIN, revoked_at=AT - timedelta(minutes=1))})
    late = replace(KNOWS, leaves={serial_of(SERIAL): Leaf(CHAIN, revoked_at=AT + timedelta(minutes=1))})
    stranger = replace(CLAIMS, serial="77", issuer_key="f" * 40)
    found = {
        "ended": diagnose(silent(at=ended), Known(issuer=replace(KNOWS, roots={}))),  # the kit's roots end with it
        "revoked": diagnose(silent(), Known(issuer=revoked)),
        "revoked later": diagnose(silent(), Known(issuer=late)),
        "another issuer's": diagnose(silent(stranger), Known(issuer=KNOWS)),
        "in order": diagnose(silent(), Known(issuer=KNOWS)),
    }
    assert {name: one.cause for name, one in found.items()} == {
        "ended": "leaf-expired",
        "revoked": "revoked",
        "revoked later": "rejected-by-server",
        "another issuer's": "unknown-issuer",
        "in order": "rejected-by-server",
    }
    assert not any(one.sure for one in found.values())


def test_a_root_that_ended_is_told_without_the_verifiers_bundle() -> None:
    root = TestCa.root(DOMAIN, not_before=NOW - timedelta(hours=5), not_after=NOW - timedelta(hours=1))
    chain, _ = root.intermediate().leaf_chain("/web")
    claims = Claims(WEB, f"{chain[0].serial_number:x}", "", chain[0].not_valid_after_utc, authority_key_id(chain[0]))
    knows = Issuer(DOMAIN, {serial_of(claims.serial): Leaf(chain)}, frozenset(), {"new": (root.certificate,)})
    assert diagnose(silent(claims, NOW), Known(issuer=knows)).cause == "root-expired"


def test_a_client_that_had_been_given_a_certificate_did_not_lack_one() -> None:
    alert = "TLS_error:|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end"
    given = silent().client
    assert given is not None
    refused = replace(given, text=alert, flags="UF", details="")
    with_leaf = diagnose(Pair(refused, None), Known(issuer=KNOWS))
    without = diagnose(Pair(replace(refused, ours=Claims(WEB)), None), Known(issuer=KNOWS))
    assert (with_leaf.cause, without.cause) == ("no-shared-cipher", "no-client-certificate")


@pytest.mark.parametrize("written", ["0A:0b", "a0B", "000a0b", "0a0B"])
def test_serial_numbers_are_written_in_many_ways(written: str) -> None:
    assert serial_of(written) == "a0b"

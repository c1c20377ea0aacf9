"""How far a diagnosis may be believed, and what it says would decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.fault_records import VECTORS, recorded, state_of
from tests.kit.fault_score import scored
from tests.kit.faults import Fault, all_faults
from trustplane.handshake.clue import Weighs
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.groups import grouped
from trustplane.handshake.join import Pair
from trustplane.handshake.state import clues

AT = datetime(2026, 11, 26, 10, tzinfo=UTC)
VERIFY = (
    "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:"
)
EXPIRED = f"{VERIFY}_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end"
ALERT_EXPIRED = "TLS_error:|268436501:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED:TLS_error_end"
NO_CERTIFICATE = "TLS_error:|268435648:SSL_routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:TLS_error_end"
RECORDED = sorted(path.stem for path in VECTORS.glob("*.jsonl"))


def server(text: str = EXPIRED, seconds: float = 0, ends: datetime | None = None) -> Failure:
    at = AT + timedelta(seconds=seconds)
    theirs = Claims("spiffe://acme.example/web", not_after=ends)
    return Failure(text, Implementation.ENVOY, Side.SERVER, (1, 40), Tls.V1_3, at, theirs=theirs)


def client(by: Implementation = Implementation.ENVOY, text: str = "", flags: str = "UC") -> Failure:
    details = "upstream_reset_before_response_started{connection_termination}" if flags else ""
    return Failure(text, by, Side.CLIENT, (), Tls.V1_3, AT, flags, details, theirs=Claims("spiffe://acme.example/pay"))


def test_the_server_record_missing_is_said() -> None:
    found = diagnose(Pair(client(), None))
    assert found.cause == "rejected-by-server"
    assert not found.sure
    assert found.missing[0] == "the server's record of the same connection"


def test_with_both_records_the_refusing_side_decides() -> None:
    found = diagnose(Pair(client(), server(ends=AT - timedelta(hours=1))))
    assert (found.cause, found.sure, found.missing) == ("leaf-expired", True, ())


def test_clocks_far_apart_bring_in_the_clock() -> None:
    apart = diagnose(Pair(client(), server(seconds=60)))
    together = diagnose(Pair(client(), server()))
    assert apart.cause == "clock-wrong"
    assert not apart.sure
    assert together.cause == "leaf-expired"


def test_a_leaf_that_had_not_ended_makes_its_expiry_doubtful() -> None:
    found = diagnose(Pair(None, server(ends=AT + timedelta(hours=1))))
    assert found.cause == "clock-wrong"


@pytest.mark.parametrize(
    ("by", "cause"),
    [(Implementation.GO, "withheld-client-certificate"), (Implementation.PYTHON, "no-client-certificate")],
)
def test_whether_a_certificate_was_withheld_is_told_by_what_runs_the_client(by: Implementation, cause: str) -> None:
    record = client(by, "remote error: tls: certificate required" if by is Implementation.GO else "[SSL: X]", flags="")
    assert diagnose(Pair(record, server(NO_CERTIFICATE))).cause == cause


def test_a_certificate_that_was_read_and_named_nobody_has_the_wrong_name() -> None:
    unexplained = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end"
    read = Claims(not_after=AT + timedelta(hours=1))
    named = replace(read, spiffe_id="spiffe://acme.example/web")
    causes = [diagnose(Pair(None, replace(server(unexplained), theirs=one))).cause for one in (read, named, Claims())]
    assert causes == ["wrong-san", "unknown-issuer", "unknown-issuer"]


def test_an_alert_is_never_sure() -> None:
    alone = diagnose(Pair(replace(client(text=ALERT_EXPIRED, flags="UF"), tls=Tls.V1_2), None))
    assert not alone.sure
    assert len(alone.suspects) > 3


def test_words_that_are_one_sides_are_not_sure_where_the_side_is_unknown() -> None:
    text = "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
    assert not diagnose(Pair(None, None, Failure(text))).sure


def test_an_unknown_text_is_unknown_with_little_confidence() -> None:
    found = diagnose(Pair(None, None, Failure("something new 17")))
    assert (found.cause, found.sure) == ("unknown", False)


@pytest.mark.parametrize("name", RECORDED)
def test_no_recorded_fault_is_diagnosed_surely_and_wrongly(name: str) -> None:
    wrong = [
        (one.fault.name, one.tls.value, one.sides, one.given.value, one.diagnosis.suspects[0])
        for one in scored(recorded(name))
        if one.falsely_sure
    ]
    assert wrong == []


# What a chain cannot show: conduct, limits and pins are configuration.
CONFIGURED = {
    "depth",
    "pin",
    "plaintext",
    "plain-server",
    "versions",
    "ciphers",
    "groups",
    "no-such-name",
    "no-certificate",
}
SHOWN = [fault for fault in all_faults() if fault.name not in CONFIGURED]


@pytest.mark.parametrize("fault", SHOWN, ids=lambda fault: fault.name)
def test_what_a_chain_shows_is_proved_by_it(fault: Fault) -> None:
    found = clues(replace(state_of(fault), judged=fault.judged))
    positive = [one.cause for one in found if one.weighs in {Weighs.PROVES, Weighs.FAVOURS}]
    assert fault.cause in positive
    assert fault.cause not in {one.cause for one in found if one.weighs is Weighs.EXCLUDES}


def test_many_failures_of_one_kind_are_one_group() -> None:
    groups = grouped([*(server(seconds=second) for second in range(5)), server(NO_CERTIFICATE)])
    assert [(one.diagnosis.cause, one.count) for one in groups] == [("leaf-expired", 5), ("no-client-certificate", 1)]
    assert (groups[0].first, groups[0].last) == (AT, AT + timedelta(seconds=4))

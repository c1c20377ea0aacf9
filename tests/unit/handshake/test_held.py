"""What each side holds narrows a diagnosis, of its own failures and of no others, and makes nothing sure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.fault_records import by_case, held_of, pair_of, recorded, state_of
from tests.kit.fault_score import Given, scored, share
from tests.kit.faults import CLIENT_ID, NOW, all_faults, mesh
from trustplane.handshake.diagnosis import HELD_NOW, diagnose
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.holding import Demands, Held, Holding, Holdings, Like, NameRule, Parameters
from trustplane.handshake.join import Pair
from trustplane.handshake.known import Known

FAULTS = {fault.name: fault for fault in all_faults()}
REQUIRED = Failure("remote error: tls: certificate required", Implementation.GO, Side.CLIENT, tls=Tls.V1_3, at=NOW)
DEEP = Failure(
    "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:"
    "_certificate_verification_error_at_depth_1:_unable_to_get_local_issuer_certificate:TLS_error_end",
    Implementation.ENVOY, Side.SERVER, (1, 40), Tls.V1_3, NOW, local="10.0.0.2:8443", theirs=Claims(CLIENT_ID),
)  # fmt: skip
NO_CIPHER = replace(DEEP, text="TLS_error:|268435640:SSL_routines:OPENSSL_internal:NO_SHARED_CIPHER:TLS_error_end")


def client(**held: object) -> Known:
    return Known(held=Held(client=Holdings(Holding(**held))))  # type: ignore[arg-type] # a holding's own fields


def server(**held: object) -> Known:
    return Known(held=Held(server=Holdings(Holding(**held))))  # type: ignore[arg-type] # likewise


@pytest.mark.parametrize(("has", "cause"), [(True, "withheld-client-certificate"), (False, "no-client-certificate")])
def test_whether_a_certificate_was_withheld_is_told_by_what_the_client_has(*, has: bool, cause: str) -> None:
    chain = mesh().client.chain if has else ()
    found = diagnose(Pair(REQUIRED, None), client(chain=chain))
    assert (found.cause, found.sure) == (cause, False)


@pytest.mark.parametrize(("depth", "cause"), [(0, "verify-depth"), (1, "unknown-issuer"), (None, "unknown-issuer")])
def test_a_limit_is_told_from_a_root_that_is_not_held(depth: int | None, cause: str) -> None:
    assert diagnose(Pair(None, DEEP), server(demands=Demands(depth=depth))).cause == cause


def test_a_group_that_is_not_shared_is_told_from_a_cipher() -> None:
    groups = server(speaks=Parameters(groups=frozenset({"X25519"})))
    ciphers = server(speaks=Parameters(ciphers=frozenset({"ECDHE-RSA-AES128-GCM-SHA256"})))
    causes = [diagnose(Pair(None, NO_CIPHER), one).cause for one in (Known(), groups, ciphers)]
    assert causes == ["no-shared-cipher", "no-shared-group", "no-shared-cipher"]


@pytest.mark.parametrize("fault", ["unknown-root-client", "no-intermediate-client", "self-signed-client"])
def test_a_client_that_withholds_is_not_told_that_its_certificate_was_found_wanting(fault: str) -> None:
    side = FAULTS[fault].client
    silent = Failure("java.net.SocketException: Broken pipe", Implementation.JAVA, Side.CLIENT, at=NOW)
    causes = {
        by: diagnose(
            Pair(replace(silent, implementation=by, text=text), None), client(chain=side.chain, roots=side.roots)
        ).cause
        for by, text in (
            (Implementation.JAVA, silent.text),
            (Implementation.CURL, "curl: (55) Send failure: Broken pipe"),
        )
    }
    assert causes == {Implementation.JAVA: "withheld-client-certificate", Implementation.CURL: FAULTS[fault].cause}


def test_who_signed_under_a_name_that_is_wanted_is_presented_all_the_same() -> None:
    side = FAULTS["namesake-root-client"].client
    told = Failure("remote error: tls: unknown certificate authority", Implementation.GO, Side.CLIENT, at=NOW)
    assert diagnose(Pair(told, None), client(chain=side.chain, roots=side.roots)).cause == "unknown-issuer"


def test_a_chain_that_is_not_the_judged_one_is_left_out() -> None:
    ended = FAULTS["expired-client"].client.chain
    judged = replace(DEEP, text=DEEP.text.replace("depth_1:_unable_to_get_local_issuer_certificate", "x"))
    known = Known(held=Held(Holdings(Holding(ended)), Holdings(Holding(roots=mesh().client.roots))))
    other = replace(judged, theirs=Claims(CLIENT_ID, "0a"))
    same = replace(judged, theirs=Claims(CLIENT_ID, f"{ended[0].serial_number:x}"))
    proved = [any("proves" in line for one in diagnose(Pair(None, each), known).suspects for line in one.evidence)
              for each in (other, same)]  # fmt: skip
    assert proved == [False, True]


def test_a_leaf_that_began_after_the_failure_is_a_newer_one() -> None:
    ended = FAULTS["expired-client"].client.chain
    begins = ended[0].not_valid_before_utc
    alert = Failure("[SSL: TLSV1_ALERT_UNKNOWN_CA]", Implementation.PYTHON, Side.CLIENT, tls=Tls.V1_3)
    found = {}
    for name, at in (("then", begins + timedelta(hours=4, minutes=30)), ("before", begins - timedelta(hours=1))):
        known = Known(held=Held(Holdings(Holding(ended))), at=NOW)
        found[name] = diagnose(Pair(replace(alert, at=at), None), known).cause
    assert found == {"then": "leaf-expired", "before": "unknown-issuer"}


def test_a_chain_that_was_shown_is_left_out_likewise() -> None:
    fault = FAULTS["expired-client"]
    record = replace(DEEP, theirs=Claims(CLIENT_ID, "0a", not_after=NOW + timedelta(hours=1)))
    assert diagnose(Pair(None, record), Known(state_of(fault))).cause == "unknown-issuer"


def test_what_differs_by_address_is_looked_up_by_the_servers() -> None:
    deep = Holding(demands=Demands(depth=0))
    held = Held(server=Holdings(Holding(demands=Demands()), {":8443": deep}))
    here, there = DEEP, replace(DEEP, local="10.0.0.2:9443")
    causes = [diagnose(Pair(None, one), Known(held=held)).cause for one in (here, there)]
    assert causes == ["verify-depth", "unknown-issuer"]


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        (NameRule(Like.EXACT, CLIENT_ID), True),
        (NameRule(Like.PREFIX, "spiffe://acme.example/ns/"), True),
        (NameRule(Like.SUFFIX, "/sa/web"), True),
        (NameRule(Like.CONTAINS, "shop"), True),
        (NameRule(Like.EXACT, CLIENT_ID + "x"), False),
        (NameRule(Like.PREFIX, "acme.example"), False),
        (NameRule(Like.SUFFIX, "/sa/pay"), False),
        (NameRule(Like.CONTAINS, "bank"), False),
    ],
)
def test_names_that_are_wanted(rule: NameRule, *, taken: bool) -> None:
    assert rule.takes(CLIENT_ID) is taken


def test_with_what_both_hold_every_fault_of_an_envoy_that_gives_reasons_is_named() -> None:
    found = [one for one in scored(recorded("envoy-1.37.0")) if one.given is Given.HELD]
    assert share(one for one in found if one.sides == "both") == 1
    assert share(one for one in found if one.sides != "both") >= 0.85


def test_what_a_side_held_at_another_moment_makes_nothing_sure_that_is_wrong() -> None:
    wrong = []
    for (_, name, tls), seen in by_case([one for one in recorded("envoy-1.40.0") if one.tls is Tls.V1_3]).items():
        sides = tuple({one.side for one in seen})
        for other in FAULTS.values():
            if other.name != name:
                found = diagnose(pair_of(seen, sides), Known(held=held_of(other, tls, "1.40.0", sides)))
                if found.sure and found.cause != FAULTS[name].cause:
                    wrong.append((name, other.name, found.suspects[0]))
    assert wrong == []


def test_what_is_held_alone_is_believed_to_a_bound() -> None:
    seen = by_case(recorded("envoy-1.40.0"))["1.40.0", "depth", Tls.V1_3]
    known = Known(held=held_of(FAULTS["depth"], Tls.V1_3, "1.40.0", tuple(Side)))
    first = diagnose(pair_of(seen), known).suspects[0]
    assert (first.cause, first.confidence) == ("verify-depth", HELD_NOW)

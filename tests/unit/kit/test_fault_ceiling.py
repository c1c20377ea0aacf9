"""The bound of a text joins what no reader can tell apart, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.kit.fault_ceiling import ceiling, evidence, told
from tests.kit.fault_records import Seen, recorded
from tests.kit.fault_score import Given, Scored, scored, share
from tests.kit.faults import NOW, all_faults
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.join import Pair

FAULTS = {one.name: one for one in all_faults()}
REFUSED = Failure(
    "x509: certificate has expired: current time 2026-11-27T10:44:03Z is after 2026-11-27T09:43:17Z",
    Implementation.GO, Side.CLIENT, at=NOW, theirs=Claims("spiffe://a.example/pay"), ours=Claims("spiffe://a.example/web"),
)  # fmt: skip


def of(fault: str, failure: Failure = REFUSED) -> Scored:
    return Scored("go", FAULTS[fault], Tls.V1_3, "client", Given.TEXT, diagnose(Pair(failure, None)))


def test_names_and_instants_of_one_run_tell_nothing_apart() -> None:
    later = replace(REFUSED, text=REFUSED.text.replace("10:44", "11:08"))
    named = replace(later, theirs=Claims("spiffe://b.example/db"), ours=Claims("spiffe://b.example/job"))
    assert evidence(of("expired-server")) == evidence(of("expired-server", named))


def test_what_a_record_says_beside_its_words_tells_apart() -> None:
    foreign = replace(REFUSED, ours=Claims("spiffe://b.example/web"))
    ended = replace(REFUSED, theirs=replace(REFUSED.theirs, not_after=NOW - timedelta(hours=1)))
    lasting = replace(REFUSED, theirs=replace(REFUSED.theirs, not_after=NOW + timedelta(hours=1)))
    assert len({evidence(of("expired-server", one)) for one in (REFUSED, foreign, ended, lasting)}) == 4


def test_of_what_cannot_be_told_apart_the_most_frequent_is_the_best_answer() -> None:
    one_text = [of("expired-server"), of("expired-issuer-server"), of("expired-server")]
    other = of("no-name-server", replace(REFUSED, text="x509: certificate is not valid for any names"))
    assert (ceiling([*one_text, other]), told([*one_text, other])) == (0.75, 0.25)


def test_the_score_of_a_build_lies_between_what_is_told_and_the_bound() -> None:
    found = [one for one in scored(recorded("envoy-1.40.0")) if one.given is Given.TEXT]
    both = [one for one in found if one.sides == "both"]
    assert told(both) <= share(both) == ceiling(both)
    assert share(found) < ceiling(found) < 1


def test_a_version_is_known_where_a_record_has_one() -> None:
    found: list[Seen] = [*recorded("envoy-1.40.0"), *recorded("python")]
    known = {(one.by, one.side, bool(one.flags)) for one in found if _version(one)}
    assert known == {(Implementation.ENVOY, Side.CLIENT, True), (Implementation.ENVOY, Side.SERVER, False)}


def _version(one: Seen) -> Tls | None:
    (pair,) = {each.diagnosis.pair for each in scored([one]) if each.given is Given.TEXT}
    return pair.failures[0].tls

"""A candidate's filters: shadow rules and nothing else, read back the same, and one verdict of both halves or none."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit.ca import NOON
from tests.kit.sidecars import ACME, CHARGE, HERE, PAY, authority, bundles_of, keyed
from trustplane.fault import Broken, Refused
from trustplane.policy import document
from trustplane.policy.access import Access, Grant
from trustplane.policy.difference import difference
from trustplane.policy.tree import ANYTHING, EVERYONE, Who
from trustplane.registry.callers import ForeignGrant
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.model import Probe
from trustplane.spiffe.patterns import IdPattern
from trustplane.xds import rbac, shadow
from trustplane.xds.guards import published
from trustplane.xds.resources import Kind, Offer, Resource
from trustplane.xds.shadow import Judged, judged
from trustplane.xds.snapshot import snapshot, trying

ID = "7-0123abcd"
PARTNER = ForeignGrant(IdPattern.parse("spiffe://partner.example/ns/billing/"), (CHARGE,))
ENDS = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=24)
EVERYBODY = Access(
    (Grant("never", Who(ids=frozenset({PAY.spiffe_id})), ANYTHING),), (Grant("all", EVERYONE, ANYTHING),)
)
CA = authority()
ENFORCED = snapshot(PAY, keyed(CA, PAY.spiffe_id), bundles_of(CA), HERE)


def candidate_of(policy: Access) -> Candidate:
    return Candidate(ID, ENDS, (Tried(PAY.service, document.encode(policy)),))


def resources(tried: Tried | None) -> list[Resource]:
    return shadow.resources(candidate_of(EVERYBODY), tried, ACME)


def test_what_a_proxy_judges_by_is_read_back_as_it_was_meant() -> None:
    sent = resources(Tried(PAY.service, document.encode(EVERYBODY)))
    assert not list(difference(EVERYBODY, shadow.judging(sent)))
    assert not list(difference(shadow.judging(sent), EVERYBODY))


def test_declared_callers_and_probes_are_tried_as_they_would_be_enforced() -> None:
    sent = resources(Tried(PAY.service, b"", PAY.callers, (Probe("GET", "/healthz"),)))
    declared = rbac.declared(PAY.callers, (Probe("GET", "/healthz"),), ACME)
    assert not list(difference(declared, shadow.judging(sent)))


def test_callers_of_other_domains_are_tried_as_they_would_be_enforced() -> None:
    permits = resources(Tried(PAY.service, b"", foreign_callers=(PARTNER,)))[1]
    assert str(PARTNER.pattern) in str(permits.content)


def test_a_candidate_that_lets_nobody_in_is_not_one_without_rules() -> None:
    sent = resources(Tried(PAY.service, document.encode(Access((), ()))))
    assert shadow.judging(sent) == Access((), ())
    with pytest.raises(Broken):
        shadow.judging(resources(None))


def test_a_proxy_is_known_to_judge_by_these_very_rules() -> None:
    one, other = Tried(PAY.service, document.encode(EVERYBODY)), Tried(PAY.service, document.encode(Access((), ())))
    assert {each.known_as for each in resources(one)} == {candidate_of(EVERYBODY).known_as(one)}
    assert resources(one)[0].known_as != resources(other)[0].known_as


def test_what_is_enforced_stays_byte_by_byte() -> None:
    tried = trying(ENFORCED, PAY, candidate_of(EVERYBODY))
    assert [one for one in tried if one.kind is not Kind.EXTENSION] == [
        one for one in ENFORCED if one.kind is not Kind.EXTENSION
    ]
    assert tried.of(Kind.EXTENSION) != ENFORCED.of(Kind.EXTENSION)
    assert trying(tried, PAY, NO_CANDIDATE).digest == ENFORCED.digest


@pytest.mark.parametrize("name", shadow.FILTERS)
@pytest.mark.parametrize(
    "spoilt",
    [
        {"rules": {"action": "DENY", "policies": {}}},
        {"rules": {"action": "ALLOW", "policies": {}}},
        {"matcher": {}},
        {"shadow_rules": {"action": "LOG", "policies": {}}},
        {"shadow_rules_stat_prefix": "anything_"},
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"},
    ],
)
def test_a_filter_that_could_refuse_is_not_published(name: str, spoilt: dict[str, object]) -> None:
    whole = trying(ENFORCED, PAY, candidate_of(EVERYBODY))
    one = whole.of(Kind.EXTENSION)[name]
    config: Any = {**one.content["typed_config"], **spoilt}  # type: ignore[dict-item] # a mapping, as it was written
    edited = Resource(Kind.EXTENSION, name, {**one.content, "typed_config": config})
    with pytest.raises(Refused) as refusal:
        published(Offer((*(each for each in whole if each is not one), edited)), NOON)
    assert {each.code for each in refusal.value.findings} == {"xds-config-unsafe"}


def test_the_halves_cannot_change_places() -> None:
    first, second = resources(Tried(PAY.service, document.encode(EVERYBODY)))
    assert not shadow.is_harmless(first.name, second.content["typed_config"])
    assert shadow.is_harmless(first.name, first.content["typed_config"])


def test_absent_rules_are_taken_in_a_candidates_place_only() -> None:
    """The same filters behind the enforcing ones, or with one field more, are no longer what is meant."""
    listener: Any = ENFORCED.of(Kind.LISTENER)["inbound"].content
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    for moved in ([*filters[2:4], *filters[:2], *filters[4:]], [{**filters[0], "disabled": True}, *filters[1:]]):
        with pytest.raises(Refused, match="a candidate's filters are not the first"):
            published(with_filters(moved), NOON)


def with_filters(filters: list[object]) -> Offer:
    one = ENFORCED.of(Kind.LISTENER)["inbound"]
    content: Any = copy.deepcopy(one.content)
    content["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"] = filters
    return Offer((*(each for each in ENFORCED if each is not one), Resource(Kind.LISTENER, "inbound", content)))


def wrote(half: str, result: str, policy: str = "", candidate: str = ID) -> dict[str, str]:
    key = f"candidate.{candidate}.{half}.shadow_"
    return {f"{key}engine_result": result, **({f"{key}effective_policy_id": policy} if policy else {})}


@pytest.mark.parametrize(
    ("written", "verdict"),
    [
        ({}, None),
        ({"enforced_engine_result": "allowed"}, None),
        (wrote("forbids", "allowed"), None),
        (wrote("permits", "allowed", "all"), None),
        (wrote("forbids", "allowed") | wrote("permits", "allowed", "all~2"), Judged(ID, allowed=True, rule="all")),
        (wrote("forbids", "allowed") | wrote("permits", "denied"), Judged(ID, allowed=False, rule=None)),
        (wrote("forbids", "denied", "no") | wrote("permits", "allowed", "a"), Judged(ID, allowed=False, rule="no")),
        (wrote("forbids", "denied", "no") | wrote("permits", "denied"), Judged(ID, allowed=False, rule="no")),
        (wrote("forbids", "allowed") | wrote("permits", "allowed", "a", "8-0123abcd"), None),
        (wrote("forbids", "perhaps") | wrote("permits", "allowed", "a"), None),
    ],
)
def test_a_verdict_is_of_both_halves_of_one_candidate_or_none(written: dict[str, str], verdict: Judged | None) -> None:
    assert judged(written) == verdict


def test_what_comes_after_the_end_is_judged_by_nothing() -> None:
    running = candidate_of(EVERYBODY)
    assert running.at(ENDS - timedelta(seconds=1)) is running
    assert running.at(ENDS) == NO_CANDIDATE
    assert replace(running, tried=()).about(PAY.service) is None

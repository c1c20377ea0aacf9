"""A candidate's filters: shadow rules and nothing else, read back the same, and one verdict of both halves or none."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit.ca import NOON
from tests.kit.sidecars import ACME, CHARGE, HERE, PAY, authority, bundles_of, keyed
from trustplane.fault import Broken, Refused
from trustplane.policy import document
from trustplane.policy.access import Access, Grant, Verdict
from trustplane.policy.difference import difference
from trustplane.policy.tree import ANYTHING, EVERYONE, Who
from trustplane.registry.callers import ForeignGrant
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.model import Probe
from trustplane.spiffe.patterns import IdPattern
from trustplane.verdict.decision import Trial
from trustplane.verdict.metadata import judged
from trustplane.xds import rbac, shadow
from trustplane.xds.guards import published
from trustplane.xds.resources import Kind, Offer, Resource
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


def wrote(half: Resource, result: str, policy: str = "") -> dict[str, str]:
    config: Any = half.content["typed_config"]
    prefix = config["shadow_rules_stat_prefix"]
    named = {f"{prefix}shadow_effective_policy_id": policy} if policy else {}
    return {f"{prefix}shadow_engine_result": result, **named}


def test_what_the_two_halves_write_is_read_as_one_verdict_of_this_candidate() -> None:
    forbids, permits = resources(Tried(PAY.service, document.encode(EVERYBODY)))
    enforced = {"enforced_engine_result": "allowed"}
    for halves, allowed, rule in (
        (wrote(forbids, "allowed") | wrote(permits, "allowed", "all~2"), True, "all"),
        (wrote(forbids, "allowed") | wrote(permits, "denied"), False, None),
        (wrote(forbids, "denied", "never") | wrote(permits, "allowed", "all"), False, "never"),
    ):
        found = judged(json.dumps(enforced | halves))
        assert found
        assert found.trial == Trial(ID, Verdict(allowed=allowed, rule=rule))
    half = judged(json.dumps(enforced | wrote(permits, "allowed", "all")))
    assert half
    assert half.trial is None


def test_what_comes_after_the_end_is_judged_by_nothing() -> None:
    running = candidate_of(EVERYBODY)
    assert running.at(ENDS - timedelta(seconds=1)) is running
    assert running.at(ENDS) == NO_CANDIDATE
    assert replace(running, tried=()).about(PAY.service) is None

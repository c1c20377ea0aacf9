"""Who would hold up a change of root, by the gates of one, before there is a root to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trustplane.rotation.root_change import Participant, Seen, Survey
from trustplane.rotation.root_gates import Lack
from trustplane.rotation.root_readiness import blocking
from trustplane.trust.authority import AuthorityId, AuthorityState

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
ROOT = AuthorityId("ab" * 32)
SIDECAR, AGENT = Participant("sidecar shop/web on node-a"), Participant("agent node-a")
HOLDS, NOTHING = frozenset({ROOT}), frozenset[AuthorityId]()


def lacks(*seen: Seen, probed: dict[Participant, str] | None = None) -> dict[Participant | None, Lack]:
    survey = Survey({ROOT: AuthorityState.ACTIVE}, frozenset({ROOT}), seen, {}, timedelta(0))
    return {one.participant: one.lack for one in blocking(survey, ROOT, probed or {}, NOON)}


def sidecar(trusts: frozenset[AuthorityId] = HOLDS) -> Seen:
    return Seen(SIDECAR, trusts, NOTHING, HOLDS, NOON)


def test_who_holds_the_bundle_and_lets_the_probe_in_holds_up_nothing() -> None:
    assert lacks(sidecar(), Seen(AGENT, HOLDS, None, HOLDS, NOON), probed={SIDECAR: ""}) == {}


def test_who_holds_another_bundle_or_is_away_is_named() -> None:
    assert lacks(sidecar(NOTHING), probed={SIDECAR: ""}) == {SIDECAR: Lack.ROOT}
    assert lacks(Seen(AGENT, HOLDS, None, HOLDS, NOON, is_away=True)) == {AGENT: Lack.ROOT}


def test_who_refuses_the_probe_is_named_with_its_words() -> None:
    survey = Survey({ROOT: AuthorityState.ACTIVE}, frozenset({ROOT}), (sidecar(),), {}, timedelta(0))
    (waiting,) = blocking(survey, ROOT, {SIDECAR: "unknown ca"}, NOON)
    assert (waiting.participant, waiting.lack, waiting.refusal) == (SIDECAR, Lack.PROBE, "unknown ca")


def test_who_cannot_be_reached_proves_nothing_either_way() -> None:
    assert lacks(sidecar()) == {}


def test_a_server_without_an_issuing_authority_is_told() -> None:
    survey = Survey({ROOT: AuthorityState.ACTIVE}, NOTHING, (), {}, timedelta(0))
    assert [one.lack for one in blocking(survey, ROOT, {}, NOON)] == [Lack.ISSUERS]

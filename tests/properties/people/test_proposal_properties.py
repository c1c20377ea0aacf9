"""Whatever is told to a proposal, in whatever order and however late, its promises hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.proposals import ADA, NOON, proposal
from trustplane.fault import Refused
from trustplane.people.person import Person
from trustplane.people.proposal import (
    LIFETIME,
    Approved,
    CarriedOut,
    CarryOut,
    Declined,
    Event,
    Failed,
    Phase,
    Ticked,
    Withdrawn,
    feed,
)

# The first five are one person as far as anyone can tell: other sessions, another door, the provider, its address.
ONE = [
    Person("console:ada"),
    Person("local:ada"),
    Person("account:ada"),
    Person("console:oidc:Ada"),
    Person("console:oidc:ada@example.com", "https://idp 17"),
]
OTHERS = [Person("console:grace"), Person("console:oidc:adam", "https://idp 18")]
people = st.sampled_from([*ONE, *OTHERS])
events = st.one_of(
    st.builds(Approved, people, st.text(max_size=5), st.just("server-1")),
    st.builds(Declined, people, st.text(max_size=5)),
    st.builds(Withdrawn, people),
    st.builds(CarriedOut, st.text(max_size=5)),
    st.builds(Failed, st.text(max_size=5)),
    st.just(Ticked()),
)
steps = st.lists(st.tuples(events, st.timedeltas(timedelta(0), LIFETIME)), max_size=12)


@given(st.sampled_from(ONE), steps)
def test_nobody_approves_their_own_and_it_is_begun_at_most_once(
    by: Person, told: list[tuple[Event, timedelta]]
) -> None:
    one, at = proposal(by=by).numbered(7), NOON
    begun = 0
    for event, passed in told:
        at += passed
        before = one
        try:
            one, effects = feed(one, event, at)
        except Refused:
            continue
        begun += len(effects)
        assert not effects or effects == (CarryOut(before.act),)
        if effects:
            assert isinstance(event, Approved)
            assert event.by not in ONE
            assert at < before.expires_at
        if before.phase.is_over:
            assert one == before
        assert one.is_whole
        assert (one.act, one.judged, one.by, one.digest) == (before.act, before.judged, before.by, before.digest)
    assert begun <= 1
    assert begun == (one.phase in {Phase.APPROVED, Phase.CARRIED_OUT, Phase.FAILED})


@given(steps)
def test_what_is_told_twice_changes_nothing_the_second_time(told: list[tuple[Event, timedelta]]) -> None:
    one, at = proposal(by=ADA).numbered(7), NOON
    for event, passed in told:
        at += passed
        try:
            one, _ = feed(one, event, at)
            again, effects = feed(one, event, at)
        except Refused:
            continue
        assert again == one
        assert effects == ()


@given(st.sampled_from(["act", "state", "words", "plan", "by", "number"]), st.text(min_size=1, max_size=20))
def test_whatever_is_altered_the_digest_tells(part: str, text: str) -> None:
    one = proposal().numbered(7)
    judged = one.judged
    altered = {
        "act": replace(one, act=replace(one.act, terms={**one.act.terms, "note": text})),
        "state": replace(one, judged=replace(judged, state={"revoked": "no", text: ""})),
        "words": replace(one, judged=replace(judged, words=(*judged.words, text))),
        "plan": replace(one, judged=replace(judged, plan=text)),
        "by": replace(one, by=Person(f"console:x{text}")),
        "number": replace(one, number=8),
    }[part]
    assert not altered.is_whole

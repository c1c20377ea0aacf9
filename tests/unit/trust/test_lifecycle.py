"""The life of authorities as a transcript: what is due when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.kit.issuing_ports import ACME, NOON, MemoryAuthority
from trustplane.fault import Refused
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.lifecycle import Activate, Lifetimes, MakeRoot, Prepare, Retire, due, waiting_issuer

ME, OTHER = NodeName("server-1"), NodeName("server-2")
LIFE = timedelta(days=30)
LIFETIMES = Lifetimes()
PLAIN = MemoryAuthority.at(NOON)
ROOT = replace(PLAIN.root, not_before=NOON, not_after=NOON + timedelta(days=3650))


def an(
    kind: AuthorityKind,
    state: AuthorityState,
    begins: datetime = NOON,
    *,
    name: str = "a",
    owner: NodeName = ME,
    life: timedelta = LIFE,
) -> Authority:
    return replace(
        PLAIN.issuing,
        id=AuthorityId(name),
        kind=kind,
        state=state,
        owner=owner,
        trust_domain=ACME,
        certificate=None if kind is AuthorityKind.JWT else PLAIN.issuing.certificate,
        not_before=begins,
        not_after=begins + life,
    )


def issuing(state: AuthorityState, begins: datetime = NOON, name: str = "i", owner: NodeName = ME) -> Authority:
    return an(AuthorityKind.ISSUING, state, begins, name=name, owner=owner)


def jwt(state: AuthorityState, begins: datetime = NOON, name: str = "j", owner: NodeName = ME) -> Authority:
    return an(AuthorityKind.JWT, state, begins, name=name, owner=owner)


SIGNING = (ROOT, issuing(AuthorityState.ACTIVE), jwt(AuthorityState.ACTIVE))
PREPARED, ACTIVE, DRAINING = AuthorityState.PREPARED, AuthorityState.ACTIVE, AuthorityState.DRAINING


def test_a_first_start_makes_a_root_then_an_issuing_authority_then_a_jwt_key() -> None:
    assert due([], ME, LIFETIMES, NOON) == MakeRoot()
    assert due([ROOT], ME, LIFETIMES, NOON) == Prepare(AuthorityKind.ISSUING)
    assert due([ROOT, issuing(PREPARED)], ME, LIFETIMES, NOON) == Activate(AuthorityId("i"), None)
    assert due([ROOT, issuing(ACTIVE)], ME, LIFETIMES, NOON) == Prepare(AuthorityKind.JWT)
    alone = [ROOT, issuing(ACTIVE), jwt(PREPARED)]
    assert due(alone, ME, LIFETIMES, NOON) == Activate(AuthorityId("j"), None)
    assert due(SIGNING, ME, LIFETIMES, NOON) is None


def test_a_successor_is_prepared_at_half_and_takes_over_at_two_thirds() -> None:
    half, two_thirds = NOON + LIFE / 2, NOON + LIFE * 2 / 3
    known = (ROOT, issuing(ACTIVE), jwt(ACTIVE, NOON + LIFE / 2))
    assert due(known, ME, LIFETIMES, half - timedelta(seconds=1)) is None
    assert due(known, ME, LIFETIMES, half) == Prepare(AuthorityKind.ISSUING)
    both = (*known, issuing(PREPARED, half, "next"))
    assert due(both, ME, LIFETIMES, two_thirds - timedelta(seconds=1)) is None
    assert due(both, ME, LIFETIMES, two_thirds) == Activate(AuthorityId("next"), AuthorityId("i"))


def test_what_drains_retires_when_it_has_expired_and_not_before() -> None:
    now = NOON + LIFE
    known = (
        ROOT,
        issuing(DRAINING, NOON, "old"),
        issuing(ACTIVE, NOON + LIFE * 2 / 3),
        jwt(ACTIVE, NOON + LIFE * 2 / 3),
    )
    assert due(known, ME, LIFETIMES, now - timedelta(seconds=1)) is None
    assert due(known, ME, LIFETIMES, now) == Retire(AuthorityId("old"), DRAINING)


def test_a_jwt_key_waits_until_it_was_published_long_enough() -> None:
    two_thirds = NOON + LIFE * 2 / 3
    late = jwt(PREPARED, two_thirds, "next")  # prepared late, for example after an outage
    known = (ROOT, issuing(ACTIVE, two_thirds), jwt(ACTIVE), late)
    assert due(known, ME, LIFETIMES, two_thirds + timedelta(minutes=4)) is None
    assert due(known, ME, LIFETIMES, two_thirds + timedelta(minutes=5)) == Activate(late.id, AuthorityId("j"))


def test_a_new_replica_waits_with_its_jwt_key_while_others_sign() -> None:
    fresh = jwt(PREPARED, name="mine")
    known = (ROOT, issuing(ACTIVE), fresh, jwt(ACTIVE, name="theirs", owner=OTHER))
    assert due(known, ME, LIFETIMES, NOON + timedelta(minutes=4)) is None
    assert due(known, ME, LIFETIMES, NOON + timedelta(minutes=5)) == Activate(fresh.id, None)


def test_after_a_long_sleep_a_new_authority_signs_at_once_and_the_dead_one_retires() -> None:
    now = NOON + timedelta(days=100)
    asleep = (ROOT, issuing(ACTIVE), jwt(ACTIVE))
    assert due(asleep, ME, LIFETIMES, now) == Prepare(AuthorityKind.ISSUING)
    awake = (*asleep, issuing(PREPARED, now, "new"))
    assert due(awake, ME, LIFETIMES, now) == Activate(AuthorityId("new"), AuthorityId("i"))


def test_a_crash_between_draining_and_activating_is_repaired() -> None:
    now = NOON + LIFE * 2 / 3
    known = (ROOT, issuing(DRAINING, NOON, "old"), issuing(PREPARED, NOON + LIFE / 2, "next"), jwt(ACTIVE, now))
    assert due(known, ME, LIFETIMES, now) == Activate(AuthorityId("next"), None)


def test_a_tainted_authority_is_replaced_at_once() -> None:
    known = (ROOT, issuing(AuthorityState.TAINTED), jwt(ACTIVE))
    assert due(known, ME, LIFETIMES, NOON) == Prepare(AuthorityKind.ISSUING)


def test_a_clock_set_back_makes_nothing() -> None:
    for years in (1, 20):
        assert due(SIGNING, ME, LIFETIMES, NOON - timedelta(days=365 * years)) is None


def test_others_authorities_are_theirs_until_they_have_expired() -> None:
    theirs = issuing(ACTIVE, NOON - LIFE / 2, "theirs", OTHER)
    assert due((*SIGNING, theirs), ME, LIFETIMES, NOON) is None
    gone = issuing(ACTIVE, NOON - LIFE, "gone", OTHER)
    assert due((*SIGNING, gone), ME, LIFETIMES, NOON) == Retire(AuthorityId("gone"), ACTIVE)


def test_what_ends_with_the_root_has_no_successor() -> None:
    short_root = replace(ROOT, not_after=NOON + LIFE)
    known = (short_root, issuing(ACTIVE), jwt(ACTIVE))
    assert due(known, ME, LIFETIMES, NOON + LIFE * 0.9) is None


def test_below_an_expired_or_tainted_root_nothing_is_made() -> None:
    assert due([ROOT], ME, LIFETIMES, ROOT.not_after) is None
    assert due([replace(ROOT, state=AuthorityState.TAINTED)], ME, LIFETIMES, NOON) is None


@pytest.mark.parametrize(
    ("lifetimes", "code"),
    [
        ({"issuing": timedelta(seconds=119)}, "bad-authority-lifetime"),
        ({"jwt": timedelta(days=4000)}, "bad-authority-lifetime"),
        ({"jwt": timedelta(minutes=29)}, "bad-publish-ahead"),
    ],
)
def test_lifetimes_that_cannot_work_are_refused(lifetimes: dict[str, timedelta], code: str) -> None:
    with pytest.raises(Refused, match=code):
        Lifetimes(**lifetimes)


def test_below_a_new_root_the_authority_below_it_takes_over() -> None:
    new_root = replace(ROOT, id=AuthorityId("new"), state=PREPARED)
    waiting = replace(issuing(PREPARED, name="n"), parent=new_root.id)
    before = (*SIGNING, new_root, waiting)
    assert due(before, ME, LIFETIMES, NOON) is None
    assert due(before, ME, LIFETIMES, NOON + LIFE / 2) == Prepare(AuthorityKind.ISSUING)
    switched = (replace(ROOT, state=DRAINING), replace(new_root, state=ACTIVE), *SIGNING[1:])
    assert due(switched, ME, LIFETIMES, NOON) == Prepare(AuthorityKind.ISSUING)
    assert due((*switched, waiting), ME, LIFETIMES, NOON) == Activate(waiting.id, AuthorityId("i"))


def test_who_waits_below_a_root_that_does_not_sign_does_not_take_over_early() -> None:
    waiting = replace(issuing(PREPARED, name="n"), parent=AuthorityId("new"))
    assert waiting_issuer((*SIGNING, waiting), ME, NOON) is None


def test_fe_1_a_jwt_key_is_published_for_as_long_as_other_trust_domains_need_to_fetch_it() -> None:
    """Five hints of a day are as long as lies between half and two thirds of its life; for more it is made earlier."""
    for ahead, made_at in ((timedelta(days=5), LIFE / 2), (timedelta(days=10), LIFE / 3)):
        renewed = (ROOT, issuing(ACTIVE, NOON + LIFE / 3, "m"), jwt(ACTIVE))
        assert due(renewed, ME, LIFETIMES, NOON + made_at - timedelta(minutes=1), ahead) is None
        assert due(renewed, ME, LIFETIMES, NOON + made_at, ahead) == Prepare(AuthorityKind.JWT)
        made = NOON + made_at + timedelta(minutes=1)
        waiting = (*renewed, jwt(PREPARED, made, "n"))
        assert due(waiting, ME, LIFETIMES, made + ahead - timedelta(seconds=1), ahead) is None
        assert due(waiting, ME, LIFETIMES, made + ahead, ahead) == Activate(AuthorityId("n"), AuthorityId("j"))


def test_without_partners_nothing_is_published_longer_than_it_was() -> None:
    signed = (ROOT, issuing(ACTIVE, NOON + LIFE / 2, "m"), jwt(ACTIVE), jwt(PREPARED, NOON + LIFE * 2 / 3, "n"))
    at = NOON + LIFE * 2 / 3 + LIFETIMES.publish_ahead
    assert due(signed, ME, LIFETIMES, at - timedelta(seconds=1)) is None
    assert due(signed, ME, LIFETIMES, at) == Activate(AuthorityId("n"), AuthorityId("j"))

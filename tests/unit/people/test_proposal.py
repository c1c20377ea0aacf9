from __future__ import annotations

import pytest

from tests.kit.proposals import ADA, GRACE, JUDGED, NOON, REVOKE, proposal
from trustplane.fault import Refused
from trustplane.people.account import Role
from trustplane.people.person import Person
from trustplane.people.proposal import (
    LIFETIME,
    Approved,
    CarriedOut,
    CarryOut,
    Declined,
    Failed,
    Phase,
    Ticked,
    Withdrawn,
    feed,
    glass_broken,
    proposed,
)
from trustplane.people.proposed_act import MAX_ACT_BYTES, MAX_TEXT, MOST_WORDS, Act, ActKind, Judged

ONE = proposal().numbered(7)
APPROVE = Approved(GRACE, "looked at the callers", "server-1")


def test_what_another_approves_is_carried_out_and_says_by_whom() -> None:
    approved, effects = feed(ONE, APPROVE, NOON)
    assert effects == (CarryOut(REVOKE),)
    assert (approved.phase, approved.carrier) == (Phase.APPROVED, "server-1")
    assert approved.acts_as == "console:ada, approved by console:grace (proposal 7)"
    done, effects = feed(approved, CarriedOut("revoked"), NOON)
    assert (done.phase, done.told, done.ended_at, effects) == (Phase.CARRIED_OUT, "revoked", NOON, ())


def test_nobody_approves_what_they_proposed_under_whatever_name() -> None:
    provider = proposal(by=Person("console:oidc:a.lovelace@x.example", "https://idp 17")).numbered(7)
    renamed = Person("console:oidc:countess@x.example", "https://idp 17")
    for one, by in ((ONE, ADA), (ONE, Person("console:oidc:Ada@x.example", "s")), (provider, renamed)):
        with pytest.raises(Refused, match="own-proposal"):
            feed(one, Approved(by, "", "server-1"), NOON)


def test_a_proposal_ends_by_itself_and_is_then_not_approved() -> None:
    last = ONE.expires_at - LIFETIME / 1000
    assert feed(ONE, Ticked(), last) == (ONE, ())
    for event in (Ticked(), APPROVE, Declined(GRACE, "no"), Withdrawn(ADA)):
        ended, effects = feed(ONE, event, ONE.expires_at)
        assert (ended.phase, ended.decided_by, effects) == (Phase.EXPIRED, None, ())
    assert ONE.phase_at(ONE.expires_at) is Phase.EXPIRED


def test_it_is_refused_with_a_word_and_withdrawn_by_its_proposer_alone() -> None:
    refused, _ = feed(ONE, Declined(GRACE, "not now"), NOON)
    assert (refused.phase, refused.word, refused.decided_by) == (Phase.REFUSED, "not now", GRACE)
    assert feed(ONE, Withdrawn(ADA), NOON)[0].phase is Phase.WITHDRAWN
    with pytest.raises(Refused, match="not-your-proposal"):
        feed(ONE, Withdrawn(GRACE), NOON)


def test_what_failed_and_what_comes_late_change_nothing_further() -> None:
    failed, _ = feed(feed(ONE, APPROVE, NOON)[0], Failed("test-refusal: no"), NOON)
    assert (failed.phase, failed.told) == (Phase.FAILED, "test-refusal: no")
    for event in (APPROVE, CarriedOut("late"), Failed("x"), Declined(GRACE, ""), Withdrawn(ADA), Ticked()):
        assert feed(failed, event, NOON + LIFETIME * 2) == (failed, ())
    assert feed(ONE, CarriedOut("early"), NOON) == (ONE, ())


def test_who_breaks_the_glass_is_alone_and_it_says_so() -> None:
    broken = glass_broken(REVOKE, JUDGED, ADA, "the building burns", NOON, "server-1").numbered(8)
    assert (broken.phase, broken.is_glass_broken, broken.decided_by) == (Phase.APPROVED, True, None)
    assert broken.acts_as == "console:ada"


@pytest.mark.parametrize("why", ["", " \n", "x" * (MAX_TEXT + 1)])
def test_nothing_is_proposed_without_a_reason(why: str) -> None:
    with pytest.raises(Refused, match="no-word-of-why"):
        proposed(REVOKE, JUDGED, ADA, why, NOON)


def test_what_nobody_could_read_is_cut_or_refused() -> None:
    judged = Judged({}, ("x" * (MAX_TEXT + 1),) * (MOST_WORDS + 1))
    assert (len(judged.words), len(judged.words[0])) == (MOST_WORDS, MAX_TEXT)
    with pytest.raises(Refused, match="act-too-large"):
        Act.of(ActKind.REVOKE_ID, note="x" * MAX_ACT_BYTES)
    with pytest.raises(Refused, match="unknown-act"):
        ActKind.parse("launch")


def test_one_role_proposes_and_another_approves() -> None:
    assert [(role.may_operate, role.may_approve) for role in Role] == [
        (False, False),
        (True, False),
        (False, True),
        (False, False),
    ]

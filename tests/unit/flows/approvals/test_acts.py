"""Each act that is proposed: what is said of it beforehand, what it is judged against, and how it is found again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.dry_runs import GOOD, SHOWN
from tests.kit.repository import repository
from tests.kit.server_door import ACME, JWT_AUTHORITY, NOON, WEB, MemoryDoor, certificate
from trustplane.fault import Refused
from trustplane.flows.approvals.acts import doing_of
from trustplane.flows.approvals.dry_runs import promotion
from trustplane.flows.approvals.revocations import id_revocation, issuer_revocation
from trustplane.flows.approvals.root_changes import root_change, waiver
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.issuance.record import Purpose
from trustplane.people.proposed_act import Act, ActKind, Judged
from trustplane.rotation.root_change import Order, Participant, Seen, Survey, Waiver
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind
from trustplane.trust.revocation import Reason
from trustplane.verdict.promotion import Conditions

BY = "console:ada, approved by console:grace (proposal 7)"
ISSUER = AuthorityId("5c" * 32)
REVOKE_WEB = id_revocation(WEB, Reason.KEY_COMPROMISE, "INC-7")
ROOT = root_change("yearly rotation", is_emergency=False)
WAIVE = waiver(Waiver(Participant("agent node-b"), "burnt down", "team-shop", "", NOON, NOON + timedelta(days=1)))
PROMOTE = promotion(GOOD.run, Conditions(timedelta(hours=1), 1, (), ""))
CUT = issuer_revocation(ISSUER.hex[:12], Reason.SUPERSEDED, "", compromised=False)
Answer = TypeVar("Answer")


class Door(MemoryDoor):
    async def authorities(self) -> list[Authority]:
        [jwt] = await super().authorities()
        return [jwt, replace(jwt, id=ISSUER, kind=AuthorityKind.ISSUING, certificate=TestCa.root(ACME).certificate)]


def door(*, with_change: bool = False) -> Door:
    found = Door(standing=GOOD)
    found.certificates.append(certificate(0xABC))
    said(found.apply(repository(), "local:ada"))
    seen = Seen(Participant("agent node-b"), frozenset(), None, frozenset(), NOON, is_away=True)
    fine = Seen(Participant("agent node-a"), frozenset(), None, frozenset(), NOON)
    found.surveyed = Surveyed(
        Survey(
            {JWT_AUTHORITY: found.surveyed.survey.roots[JWT_AUTHORITY]}, frozenset(), (seen, fine), {}, timedelta(0)
        ),
        (),
    )
    if with_change:
        said(found.start_rotation(Order("local:ada", "yearly")))
    return found


def said(work: Awaitable[Answer]) -> Answer:
    async def run() -> Answer:
        return await work

    return asyncio.run(run())


def judged(of: MemoryDoor, act: Act) -> Judged:
    return said(doing_of(of, VirtualClock(NOON))[act.kind].judge(act))


@pytest.mark.parametrize(
    ("act", "with_change"), [(ROOT, False), (WAIVE, True), (PROMOTE, False), (REVOKE_WEB, False), (CUT, False)]
)
def test_each_act_is_judged_done_and_found_again_by_who_did_it(act: Act, with_change: bool) -> None:  # noqa: FBT001 - a table's column
    of = door(with_change=with_change)
    if act is PROMOTE:
        of.kept[-1] = (replace(of.kept[-1][0], files={}), of.kept[-1][1])
    doing = doing_of(of, VirtualClock(NOON))[act.kind]
    before = said(doing.judge(act))
    assert before.words
    assert before.state
    assert said(doing.was_carried_out(act, BY)) is None
    assert said(doing.carry_out(act, BY))
    if act is not PROMOTE:  # the files of the memory's dry run are those in force
        assert said(doing.was_carried_out(act, BY))
    assert said(doing.was_carried_out(act, "console:ada")) is None


def test_a_change_of_root_is_told_with_its_plan_and_who_is_not_ready() -> None:
    told = judged(door(), ROOT)
    assert "Taking part: 2 agents." in told.words
    assert "agent node-b is away, and will be waited for." in told.words
    assert told.plan.startswith("# Changing the root")
    assert told.state == {"root": JWT_AUTHORITY.hex, "change of root": "1"}
    urgent = judged(door(), root_change("stolen", is_emergency=True)).words
    assert any(one.startswith("It is an emergency, and gives up:") for one in urgent)
    with pytest.raises(Refused, match="rotation-under-way"):
        judged(door(with_change=True), ROOT)
    with pytest.raises(Refused, match="bad-rotation-reason"):
        root_change(" ", is_emergency=False)


def test_a_waiver_is_of_a_change_that_is_under_way() -> None:
    told = judged(door(with_change=True), WAIVE)
    assert "Change of root 1 does not wait for agent node-b until 2030-01-02 12:00 UTC." in told.words
    with pytest.raises(Refused, match="no-rotation"):
        judged(door(), WAIVE)


def test_an_identity_is_told_with_its_certificates_and_whom_it_is_cut_off_from() -> None:
    told = " ".join(judged(door(), REVOKE_WEB).words)
    assert "key-compromise (INC-7)" in told
    assert "Its certificate on node-a is refused by every proxy" in told
    assert "It is shop/web, of" in told
    assert "It calls shop/payments, and can no longer." in told
    of = door()
    of.certificates[0] = replace(of.certificates[0], purpose=Purpose.NODE)
    with pytest.raises(Refused, match="not-a-workload"):
        judged(of, REVOKE_WEB)
    with pytest.raises(Refused, match="bad-revocation-note"):
        judged(door(), id_revocation(WEB, Reason.UNSPECIFIED, "two\nlines"))


def test_what_is_revoked_already_is_not_proposed() -> None:
    of = door()
    for act in (REVOKE_WEB, CUT):
        doing = doing_of(of, VirtualClock(NOON))[act.kind]
        said(doing.carry_out(replace(act, terms={**act.terms, "authority": ISSUER.hex}), BY))
        with pytest.raises(Refused, match="already-revoked"):
            said(doing.judge(act))


def test_an_issuer_in_wrong_hands_is_cut_off_first_and_it_is_said() -> None:
    gentle = " ".join(judged(door(), CUT).words)
    assert "renewed first" in gentle
    hard = issuer_revocation(ISSUER.hex[:12], Reason.KEY_COMPROMISE, "", compromised=True)
    assert "cannot reach each other" in " ".join(judged(door(), hard).words)
    with pytest.raises(Refused, match="unknown-issuer"):
        judged(door(), issuer_revocation("5c", Reason.SUPERSEDED, "", compromised=False))


def test_a_promotion_is_judged_by_its_gate_and_by_exactly_that_dry_run() -> None:
    of = door()
    told = judged(of, PROMOTE)
    assert told.state == {"dry run": GOOD.run.id, "files": GOOD.run.digest, "revision": "1"}
    assert "To take it back, restore revision 1." in told.words
    of.standing = SHOWN
    with pytest.raises(Refused, match="dry-run-unexpected-denial"):
        judged(of, PROMOTE)
    assert PROMOTE.kind is ActKind.PROMOTE_DRY_RUN

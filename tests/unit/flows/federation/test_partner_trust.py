"""Other trust domains in a change of root: proof where there is one, and time only where none can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.ca import TestCa
from tests.kit.clock import START
from tests.kit.partner import PARTNER, Speaker
from trustplane.fault import Finding
from trustplane.flows.federation.partner_trust import Partners, participant, with_partners
from trustplane.registry.partner_probes import Outcome, ShownProbe
from trustplane.rotation.root_change import Order, Phase, Seen, Survey, begun
from trustplane.rotation.root_gates import Lack, Waiting, waits
from trustplane.rotation.root_story import story
from trustplane.rotation.root_story_text import markdown
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import AuthorityId, AuthorityState
from trustplane.trust.partner import Rule, Shown

ACME = TrustDomain("acme.example")
OLD, NEW = AuthorityId("0" * 64), AuthorityId("f" * 64)
ROOTS = (TestCa.root(ACME).certificate, TestCa.root(ACME).certificate)
BEFORE = Bundle(ACME, ROOTS[:1], sequence=1)
BOTH = Bundle(ACME, ROOTS, sequence=2)
AFTER = Bundle(ACME, ROOTS[1:], sequence=3)
THEM = Speaker()
GIVEN = timedelta(minutes=25)
FAILED = Finding("endpoint-too-slow", "w", "w", "f")
SILENT = Shown(PARTNER).was_silent(FAILED, START)
PUBLISHED = {OLD: AuthorityState.ACTIVE, NEW: AuthorityState.PREPARED}
CHANGE = replace(
    begun(1, OLD, Order("ann", "yearly"), START), coming=NEW, phase=Phase.PUBLISH, published_at=START, since=START
)


def said(held: Bundle, behind: int = 0) -> Shown:
    return Shown(PARTNER).said(THEM.statement(held, behind), START)


def survey(shown: Shown, published: Bundle = BOTH, after: timedelta = timedelta(0), roots: object = None) -> Survey:
    empty = Survey(PUBLISHED if roots is None else roots, frozenset({OLD, NEW}), (), {}, timedelta(0))  # type: ignore[arg-type] # as the test wrote them
    known = Partners((PARTNER,), {PARTNER: shown}, GIVEN)
    return with_partners(empty, known, published, CHANGE, START + after)


def the_one(shown: Shown, published: Bundle = BOTH) -> Seen:
    (one,) = survey(shown, published).seen
    return one


def waited(shown: Shown, after: timedelta = timedelta(0)) -> tuple[Waiting, ...]:
    return waits(CHANGE, survey(shown, after=after), START + after)


def test_a_statement_of_exactly_this_bundle_by_all_of_them_opens_the_gate() -> None:
    assert waited(said(BOTH)) == ()
    assert the_one(said(BOTH)).told == "holds sequence 2 everywhere"


@pytest.mark.parametrize(
    "shown", [said(BEFORE), said(BOTH, behind=1), Shown(PARTNER), Shown(PARTNER).failed(FAILED, START)]
)
def test_anything_less_keeps_it_shut_however_long(shown: Shown) -> None:
    for after in (timedelta(0), GIVEN * 1000):
        (one,) = waited(shown, after)
        assert (one.lack, one.participant, one.until) == (Lack.ROOT, participant(PARTNER), None)
        assert "ask the operators of partner.example" in one.unblock


def test_what_is_wanting_is_said() -> None:
    told = {
        the_one(shown).told
        for shown in (
            said(BEFORE),
            said(BOTH, behind=3),
            Shown(PARTNER).failed(FAILED, START),
            said(BOTH).failed(FAILED, START),
        )
    }
    assert told == {
        "holds sequence 1 of our bundle, which is another by now",
        "does not hold sequence 2 everywhere: 3 participants are behind",
        "has not answered yet whether it makes statements (endpoint-too-slow)",
        "holds sequence 2 everywhere; none that is newer: endpoint-too-slow",
    }


def test_a_proof_outlives_the_statements_freshness_but_not_the_bundle() -> None:
    later = timedelta(days=1)
    assert waits(CHANGE, survey(said(BOTH), after=later), START + later) == ()
    (one,) = survey(said(BOTH), AFTER).seen
    assert OLD in one.trusts, "for all that is known it trusts the root that left"


def test_who_shows_nothing_is_given_time_and_no_less() -> None:
    (one,) = waited(SILENT, GIVEN - timedelta(seconds=1))
    assert (one.participant, one.until) == (participant(PARTNER), START + GIVEN)
    assert one.unblock == "nothing; it ends by itself"
    assert waited(SILENT, GIVEN) == ()


def test_time_counts_again_from_when_the_old_root_left() -> None:
    left = START + timedelta(hours=2)
    change = replace(CHANGE, phase=Phase.VERIFY_AGAIN, left_at=left, since=left)
    gone = survey(SILENT, AFTER, roots={OLD: AuthorityState.RETIRED, NEW: AuthorityState.ACTIVE})
    (one,) = waits(change, gone, left)
    assert (one.lack, one.until) == (Lack.OLD_ROOT, left + GIVEN)
    assert waits(change, gone, left + GIVEN) == ()


API = SpiffeId(PARTNER, ("ns", "billing", "sa", "api"))
LET_IN = ShownProbe(NodeName("node-a"), API, NEW.hex[:40], Outcome.LET_IN, "", START)
REFUSES = replace(LET_IN, node=NodeName("node-b"), outcome=Outcome.REFUSED, refusal="unknown ca")
UNREACHED = replace(LET_IN, outcome=Outcome.NOT_REACHED)
VERIFYING = replace(CHANGE, phase=Phase.VERIFY)


def probed(shown: Shown, *probes: ShownProbe) -> tuple[Waiting, ...]:
    empty = Survey(PUBLISHED, frozenset({OLD, NEW}), (), {}, timedelta(0))
    known = Partners((PARTNER,), {PARTNER: shown}, GIVEN, {PARTNER: 1}, probes)
    return waits(VERIFYING, with_partners(empty, known, BOTH, VERIFYING, START + GIVEN), START + GIVEN)


@pytest.mark.parametrize("shown", [SILENT, said(BOTH)])
def test_a_service_that_refuses_the_new_root_blocks_and_is_named_whatever_its_domain_shows(shown: Shown) -> None:
    (one,) = probed(shown, LET_IN, REFUSES)
    assert (one.lack, one.participant) == (Lack.PROBE, participant(PARTNER))
    assert f"{API}, asked from node-b, refuses the new root: unknown ca" in one.because
    assert "ask the operators of partner.example" in one.unblock


@pytest.mark.parametrize("probes", [(), (LET_IN,), (UNREACHED,), (LET_IN, replace(UNREACHED, node=NodeName("node-b")))])
def test_one_that_lets_it_in_or_cannot_be_reached_blocks_nothing(probes: tuple[ShownProbe, ...]) -> None:
    assert probed(SILENT, *probes) == ()


def test_being_let_in_by_a_service_shortens_nobodys_time() -> None:
    known = Partners((PARTNER,), {PARTNER: SILENT}, GIVEN, {}, (LET_IN,))
    empty = Survey(PUBLISHED, frozenset({OLD, NEW}), (), {}, timedelta(0))
    (one,) = waits(CHANGE, with_partners(empty, known, BOTH, CHANGE, START), START)
    assert one.until == START + GIVEN
    assert "1 service of it let in the new root" in one.because


@pytest.mark.parametrize(
    "other", [replace(REFUSES, root=OLD.hex[:40]), replace(REFUSES, callee=SpiffeId(ACME, ("ns", "x")))]
)
def test_what_is_said_of_another_root_or_another_domain_is_no_evidence(other: ShownProbe) -> None:
    assert probed(SILENT, other) == ()


def test_the_plan_says_that_services_will_be_asked() -> None:
    planned = replace(CHANGE, coming=None, phase=Phase.PREPARE)
    known = Partners((PARTNER,), {PARTNER: SILENT}, GIVEN, {PARTNER: 2})
    empty = Survey({OLD: AuthorityState.ACTIVE}, frozenset({OLD}), (), {}, timedelta(0))
    found = with_partners(empty, known, BEFORE, planned, START)
    told = markdown(planned, story(planned, found, START), found.seen)
    assert "2 services that ours call will be shown a certificate below the new root" in told


def test_going_back_waits_for_no_time_since_the_old_root_never_left() -> None:
    back = replace(CHANGE, phase=Phase.SWITCH, leaving=NEW, coming=OLD, is_going_back=True)
    assert waits(back, survey(SILENT), START) == ()


def test_an_emergency_waits_for_who_can_be_heard_and_for_no_other() -> None:
    urgent = replace(CHANGE, is_emergency=True)
    for shown, count in ((said(BEFORE), 1), (SILENT, 0), (Shown(PARTNER), 0)):
        assert len(waits(urgent, survey(shown), START)) == count
    stale = START + timedelta(minutes=6)
    assert waits(urgent, survey(said(BEFORE), after=stale - START), stale) == ()


def test_the_plan_says_by_which_rule_and_until_when() -> None:
    change = begun(1, OLD, Order("ann", "yearly"), START)
    lines = {}
    for shown in (said(BEFORE), SILENT, Shown(PARTNER)):
        world = survey(shown, BEFORE, roots={OLD: AuthorityState.ACTIVE})
        lines[shown.rule] = markdown(change, story(change, world, START), world.seen)
    assert "`partner.example` proves it by its signed statement, and by nothing else" in lines[Rule.STATEMENT]
    assert "waits for 1 that must take up the bundle with both roots: domain partner.example" in lines[Rule.STATEMENT]
    assert "time alone." in lines[Rule.STATEMENT].replace("\n", " ")
    assert "`partner.example` can prove nothing" in lines[Rule.TIME]
    assert "2030-01-01 00:25:00 UTC: domain partner.example shows nothing" in lines[Rule.TIME]
    assert "but for other trust domains that show nothing" in lines[Rule.TIME]
    assert "`partner.example` must first answer" in lines[Rule.UNKNOWN]

"""Every renewal is judged once, by cohort, and what is lost is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.server_door import NODE, NOON, certificate
from trustplane.issuance.punctuality import LOST_KEPT, MOST_COHORTS, OTHERS, By, Cohort, Punctuality, late_at
from trustplane.issuance.record import IssuedCertificate
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName

ALL = Cohort.of(By.CLUSTER, "all")
MINUTE = timedelta(minutes=1)
LATE = 48 * MINUTE  # renewed at 36 of 60 minutes, so half of the rest is gone then


class Ledger:
    def __init__(self) -> None:
        self.of = Punctuality()
        self.entitled = True

    def look(self, leaves: Iterable[IssuedCertificate], after: timedelta) -> None:
        at = NOON + after
        for _ in self.of.read([one for one in leaves if one.not_after > at], lambda _: (ALL,), at):
            pass
        for _ in self.of.judge(lambda *_: self.entitled, at):
            pass

    @property
    def judged(self) -> tuple[int, int]:
        """In time, and late."""
        return self.of.standing.in_time.get(ALL, 0), self.of.standing.late.get(ALL, 0)

    @property
    def now(self) -> tuple[int, int, int]:
        """Leaves, late ones, lost ones."""
        found = self.of.standing.cohorts.get(ALL)
        return (found.leaves, found.late, found.lost) if found else (0, 0, 0)


def issued(serial: int, after: timedelta) -> IssuedCertificate:
    """A leaf of one hour, issued so long after noon."""
    leaf = certificate(serial)
    moved = {name: getattr(leaf, name) + after for name in ("not_before", "not_after", "renew_at", "issued_at")}
    fields = {name: getattr(leaf, name) for name in ("spiffe_id", "purpose", "node", "profile", "authority", "leaf")}
    return IssuedCertificate(serial=serial, **fields, **moved)


def test_a_leaf_is_late_when_its_agent_says_so() -> None:
    assert late_at(issued(1, timedelta(0))) == NOON + LATE


def test_a_renewal_is_in_time_before_that_and_late_from_then_on() -> None:
    ledger = Ledger()
    ledger.look([issued(1, timedelta(0))], timedelta(0))
    assert ledger.judged == (0, 0), "a first leaf renews nothing"
    ledger.look([issued(2, 40 * MINUTE)], 41 * MINUTE)
    assert (ledger.judged, ledger.now) == ((1, 0), (1, 0, 0))
    ledger.look([issued(2, 40 * MINUTE)], 40 * MINUTE + LATE)
    assert (ledger.judged, ledger.now) == ((1, 1), (1, 1, 0))
    ledger.look([issued(2, 40 * MINUTE)], 40 * MINUTE + LATE + MINUTE)
    assert ledger.judged == (1, 1), "judged once"
    ledger.look([issued(3, 90 * MINUTE)], 91 * MINUTE)
    assert (ledger.judged, ledger.now) == ((1, 1), (1, 0, 0)), "its renewal was counted when it was late"


def test_a_renewal_that_came_late_between_two_looks_is_late() -> None:
    ledger = Ledger()
    ledger.look([issued(1, timedelta(0))], timedelta(0))
    ledger.look([issued(2, LATE)], LATE + MINUTE)
    assert ledger.judged == (0, 1)


def test_what_expired_is_lost_until_there_is_a_new_one_or_a_day_is_over() -> None:
    ledger = Ledger()
    ledger.look([issued(1, timedelta(0))], timedelta(0))
    ledger.look([], 61 * MINUTE)
    found = ledger.of.standing.cohorts[ALL]
    assert (ledger.judged, ledger.now) == ((0, 1), (1, 0, 1))
    assert (found.late_nodes, found.first_expiry, found.least_slack) == ({NODE}, None, 0)
    ledger.look([issued(2, 70 * MINUTE)], 71 * MINUTE)
    assert (ledger.judged, ledger.now) == ((0, 1), (1, 0, 0))
    ledger.look([], 70 * MINUTE + timedelta(hours=1) + LOST_KEPT)
    assert ledger.now == (0, 0, 0)


def test_who_is_entitled_no_more_is_let_go_of() -> None:
    ledger = Ledger()
    ledger.look([issued(1, timedelta(0))], timedelta(0))
    ledger.entitled = False
    ledger.look([issued(1, timedelta(0))], 61 * MINUTE)
    assert (ledger.judged, ledger.now) == ((0, 0), (0, 0, 0))


def test_the_first_expiry_and_the_bands_are_of_what_is_left() -> None:
    ledger = Ledger()
    ledger.look([issued(1, timedelta(0))], 57 * MINUTE)
    assert ledger.of.standing.cohorts[ALL].first_expiry == NOON + 60 * MINUTE
    assert ledger.of.standing.slack == {0.1: 1, 0.25: 0, 0.5: 0, 0.75: 0, 1.0: 0}


def test_cohorts_are_bounded_and_what_an_agent_says_is_cleaned() -> None:
    of = Punctuality()
    leaves = [_of_node(number) for number in range(MOST_COHORTS + 5)]
    for _ in of.read(leaves, lambda one: (Cohort.of(By.AGENT, str(one.node)),), NOON):
        pass
    for _ in of.judge(lambda *_: True, NOON):
        pass
    assert len(of.standing.cohorts) == MOST_COHORTS + 1
    assert of.standing.cohorts[Cohort("agent", OTHERS)].leaves == 5
    assert Cohort.of(By.AGENT, "1.0\x1b[31m\n" + "x" * 100).name == "1.0?[31m?" + "x" * 51


def _of_node(number: int) -> IssuedCertificate:
    leaf = issued(number, timedelta(0))
    fields = {name: getattr(leaf, name) for name in leaf.__dataclass_fields__}
    spiffe_id = SpiffeId.parse(f"spiffe://acme.example/n{number}")
    return IssuedCertificate(**{**fields, "node": NodeName(f"n{number}"), "spiffe_id": spiffe_id})


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 30)), max_size=12))
def test_whenever_it_looks_each_leaf_is_judged_at_most_once(steps: Sequence[tuple[int, int]]) -> None:
    """`steps`: minutes from one leaf to the next, and how long after its issue a look comes."""
    ledger, at = Ledger(), timedelta(0)
    for serial, (gap, look) in enumerate(steps):
        ledger.look([issued(serial, at)], at + look * MINUTE)
        at += max(gap, look) * MINUTE
    in_time, late = ledger.judged
    assert in_time + late <= len(steps)
    assert in_time + late >= max(len(steps) - 1, 0), "and none but the newest goes unjudged"

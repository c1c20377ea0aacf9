"""A planted cause is found first; where none was planted, hardly ever is anything claimed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from math import comb, exp, isclose
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.planted_fleet import BEGAN, BUILDS, HOUR, beginning, failing, failing_since_then, fleet, with_failures
from trustplane.handshake.fleet.chance import corrected, log_tail
from trustplane.handshake.fleet.ranking import ALARM, LEAST, MAX_FINDINGS, ranked
from trustplane.handshake.fleet.subject import Rollout, Subject

FEW = settings(max_examples=25)  # each is a whole fleet
SEEDS = st.integers(0, 2**32)
DIMENSIONS = ("client node", "server build", "client zone", "server issuer", "server service", "node")


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))), st.data())
def test_the_tail_is_the_sum_of_its_terms(sizes: tuple[int, int, int], data: st.DataObject) -> None:
    population, marked, drawn = sizes
    seen = data.draw(st.integers(0, min(marked, drawn)))
    ways = sum(comb(marked, one) * comb(population - marked, drawn - one) for one in range(seen, drawn + 1))
    exact = Fraction(ways, comb(population, drawn))
    found = exp(log_tail(population, marked, drawn, seen))
    if seen * population <= drawn * marked:
        assert found == 1
    else:
        assert isclose(found, exact, rel_tol=1e-9)


@FEW
@given(SEEDS, st.sampled_from(DIMENSIONS))
def test_a_planted_value_is_found_first(seed: int, dimension: str) -> None:
    random = Random(seed)
    subjects = fleet(random)
    value = max(subjects, key=lambda one: one.name).facts[dimension][0]
    having = [one for one in subjects if value in one.facts[dimension]]
    subjects = with_failures(subjects, lambda one: one in having or random.random() < 0.01, random)
    first = ranked(subjects).findings[0]
    assert (dimension, value) in (*first.values, *first.nearly)
    assert first.failing >= len(having) * 0.9
    assert first.chance <= ALARM
    assert first.failures > first.expected


@FEW
@given(SEEDS)
def test_half_of_a_build_is_told_from_the_background(seed: int) -> None:
    random = Random(seed)
    subjects = with_failures(
        fleet(random, links=400),
        lambda one: random.random() < (0.5 if one.facts["client build"][0] in BUILDS[:2] else 0.02),
        random,
    )
    builds = {value for one in ranked(subjects).findings for name, value in one.values if name == "client build"}
    assert builds <= set(BUILDS[:2])


def test_without_a_cause_nothing_is_claimed() -> None:
    """300 fleets whose links fail at random, each with a change at some time: less than one alarm is to be expected."""
    alarms = 0
    for seed in range(300):
        random = Random(seed)
        share = random.choice((0.02, 0.1, 0.3))
        subjects = with_failures(fleet(random, links=200), lambda _, r=random, s=share: r.random() < s, random)  # type: ignore[misc] # bound now
        change = Rollout("change 18", "", BEGAN + timedelta(seconds=random.uniform(60, 3500)))
        alarms += bool(ranked(subjects, [change], HOUR).findings)
    assert alarms <= 2


def test_links_that_begin_at_random_times_blame_no_change() -> None:
    """150 fleets that grow over the hour, most of it late, each with three changes: a mesh that becomes larger has more
    failures after any change than before it, and none of them is behind that."""
    alarms = naive = 0
    for seed in range(150):
        random = Random(seed)
        grown = beginning(fleet(random, links=300), random, random.uniform(0.5, 0.85))
        hazard = random.choice((0.1, 0.5, 1.5))
        subjects = [failing_since_then(one, random, hazard) for one in grown]
        changes = [Rollout(f"change {one}", "", BEGAN + HOUR.length * random.uniform(0.02, 0.98)) for one in range(3)]
        alarms += bool(ranked(subjects, changes, HOUR).findings)
        naive += bool(ranked([replace(one, began=None) for one in subjects], changes, HOUR).findings)
    assert alarms <= 2
    assert naive > 5, "without their own beginnings a change is blamed, so this would show it"


@FEW
@given(SEEDS, st.floats(0.3, 0.8))
def test_a_change_is_found_in_a_fleet_that_grows(seed: int, at: float) -> None:
    random = Random(seed)
    change = Rollout("change 18", "", BEGAN + HOUR.length * at)
    grown = beginning(fleet(random, links=400), random)
    subjects = [failing_since_then(one, random, 3.0, at) if random.random() < 0.5 else one for one in grown]
    (found,) = ranked(subjects, [change], HOUR).findings
    assert found.values == (("change", "change 18"),)


def test_the_ebb_of_a_day_is_no_change_however_large_the_fleet() -> None:
    """More begin to fail at the end of the hour than at its beginning: of 20,000 links, that is beyond chance."""
    random = Random(3)
    at = [BEGAN + HOUR.length * (random.random() ** 0.85) for _ in range(4000)]
    links = [Subject(str(one), {"client node": (f"node-{one % 50}",)}, attempts=1000) for one in range(20_000)]
    subjects = [replace(one, causes={"leaf-expired": 9}, first=first) for one, first in zip(links, at, strict=False)]
    changes = [Rollout(f"change {one}", "", BEGAN + HOUR.length * one / 10) for one in range(1, 10)]
    assert ranked([*subjects, *links[len(at) :]], changes, HOUR).findings == ()


@FEW
@given(SEEDS, st.floats(0.1, 0.8))
def test_what_begins_with_a_change_is_said_to(seed: int, at: float) -> None:
    random = Random(seed)
    subjects = fleet(random)
    broken = {place for place, one in enumerate(subjects) if one.facts["client build"] == ("1.37.2",)}
    subjects = [failing(one, random, at) if place in broken else one for place, one in enumerate(subjects)]
    change = Rollout("change 18", "1.37.2", BEGAN + timedelta(seconds=3600 * at))
    other = Rollout("change 3", "", BEGAN + timedelta(seconds=30))
    found = ranked(subjects, [other, change], HOUR)
    if len(broken) >= 20:
        assert ("client build", "1.37.2") in (*found.findings[0].values, *found.findings[0].nearly)
    expected_by_time = (1 - at) ** len(broken)
    if expected_by_time < 1e-12:
        assert found.findings[0].since[:1] == ("1.37.2 (change 18)",)


def test_of_many_changes_the_nearest_are_named() -> None:
    """All of them are followed by the same failures."""
    random = Random(5)
    subjects = [
        failing(one, random, 0.75) if one.facts["client build"] == ("1.37.2",) else one for one in fleet(random)
    ]
    changes = [Rollout(f"change {one}", "", BEGAN + HOUR.length * one / 40) for one in range(1, 31)]
    (found,) = ranked(subjects, changes, HOUR).findings
    assert found.since[0] == "change 30"
    assert len(found.since) <= 3


@FEW
@given(SEEDS)
def test_a_change_of_everything_is_found_by_time_alone(seed: int) -> None:
    random = Random(seed)
    change = Rollout("deploy-7", "policy", BEGAN + timedelta(minutes=48))
    subjects = [failing(one, random, 0.8) if random.random() < 0.3 else one for one in fleet(random)]
    found = ranked(subjects, [change], HOUR)
    assert [one.values for one in found.findings] == [(("change", "policy (deploy-7)"),)]
    assert found.unexplained == 0


@FEW
@given(SEEDS)
def test_values_of_the_same_subjects_are_named_together(seed: int) -> None:
    random = Random(seed)
    subjects = [
        replace(one, facts={**one.facts, "pool": (f"pool of {one.facts['client build'][0]}",)}) for one in fleet(random)
    ]
    build = subjects[0].facts["client build"][0]
    subjects = with_failures(subjects, lambda one: one.facts["client build"] == (build,), random)
    first = ranked(subjects).findings[0]
    assert first.values == (("pool", f"pool of {build}"), ("client build", build))


@FEW
@given(SEEDS)
def test_neither_order_nor_retries_change_what_is_claimed(seed: int) -> None:
    random = Random(seed)
    subjects = with_failures(fleet(random), lambda one: one.facts["client zone"] == ("zone-1",), random)
    often = [replace(one, causes={"unknown-issuer": 10 * one.failures}) if one.failures else one for one in subjects]
    random.shuffle(often)
    assert [one.values for one in ranked(often).findings] == [one.values for one in ranked(subjects).findings]


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(0, 5)), max_size=40))
def test_anything_at_all_is_ranked_within_bounds(rows: list[tuple[str, str, int]]) -> None:
    subjects = [
        Subject(str(at), {name: (value,)}, {"unknown": many} if many else {})
        for at, (name, value, many) in enumerate(rows)
    ]
    found = ranked(subjects)
    assert len(found.findings) <= MAX_FINDINGS
    assert all(one.failing >= LEAST and one.chance <= ALARM for one in found.findings)
    assert bool(found.silence) == bool(found.unexplained)


@given(st.floats(-700, 0), st.integers(0, 10**6))
def test_a_correction_never_makes_chance_smaller(log_p: float, comparisons: int) -> None:
    assert exp(log_p) <= corrected(log_p, comparisons) * (1 + 1e-12) <= 1 + 1e-12

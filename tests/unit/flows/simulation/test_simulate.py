from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from trustplane.fault import Refused
from trustplane.flows.simulation.peers import POLL, PolledThreshold
from trustplane.flows.simulation.scenario import Outage, Partition, Restart, Rule, Scenario
from trustplane.flows.simulation.simulate import MARKS, simulate

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FLEET = Scenario(workloads=2000, length=4 * HOUR)
LATER = Scenario(workloads=2000, length=8 * HOUR, restarts=(Restart(1, HOUR),))


def test_a_quiet_fleet_renews_evenly_and_loses_nothing() -> None:
    figures = simulate(FLEET)
    assert figures.expired == 0
    assert figures.first_expiry is None
    assert figures.questions == figures.renewals
    assert figures.renewals == pytest.approx(2000 * 8, rel=0.02)  # twice an hour, where the window opens
    assert figures.peak_to_mean < 1.3  # whole numbers: a slot has 5.6 on average


def test_the_seed_decides_everything() -> None:
    hard = replace(FLEET, workloads=200, loss=0.1, skew=MINUTE, partitions=(Partition(0.5, HOUR, HOUR),))
    one, same, other = simulate(hard), simulate(hard), simulate(replace(hard, seed=2))
    assert (one.signed, one.expired, one.questions) == (same.signed, same.expired, same.questions)
    assert one.signed != other.signed


def test_after_a_mass_restart_the_load_is_flat_within_one_lifetime() -> None:
    assert simulate(LATER).peak_to_mean <= 1.3


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.OURS])
def test_every_published_rule_runs_on_the_same_fleet_and_is_less_flat(rule: Rule) -> None:
    figures = simulate(replace(LATER, rule=rule))
    assert figures.expired == 0
    assert figures.peak_to_mean > 2


def test_workloads_left_with_nothing_by_a_restart_are_served_at_the_pace_of_signing() -> None:
    figures = simulate(replace(LATER, signing_rate=50))
    assert timedelta(seconds=2000 / 50 - 2) <= figures.longest_without <= timedelta(seconds=2000 / 50 * 1.5)
    assert max(figures.signed) <= 50 * 5 * 1.1
    assert figures.shed > 0
    assert figures.shed < 2000 * 1.2  # sent away once, and served at their turn


def test_an_outage_longer_than_the_life_left_expires_leaves_and_everyone_recovers() -> None:
    figures = simulate(replace(FLEET, outages=(Outage(HOUR, 50 * MINUTE),)), sampled=True)
    assert 0 < figures.expired <= 2000
    assert figures.first_expiry == HOUR + figures.endured[0].budget
    assert figures.longest_without < 25 * MINUTE
    assert figures.remaining[-1].shares[0] == 0
    assert figures.remaining[-1].least > timedelta(0)


def test_a_partition_touches_only_those_behind_it() -> None:
    figures = simulate(replace(FLEET, partitions=(Partition(0.2, HOUR, HOUR + 5 * MINUTE),)))
    assert figures.expired == 400


def test_leaves_that_end_with_the_run_are_counted() -> None:
    assert simulate(replace(FLEET, workloads=100, outages=(Outage(2 * HOUR, 2 * HOUR),))).expired == 100


def test_progress_is_told_as_it_goes() -> None:
    told: list[timedelta] = []
    simulate(FLEET, told.append)
    assert told == [FLEET.length * mark / MARKS for mark in range(1, MARKS)]


def test_a_polled_threshold_bunches_at_the_beginning_of_its_window() -> None:
    # The published simulation of SPIRE's rule: of a nominal window of 360 s, 98 % of renewals fall within about 112 s.
    draws = sorted(
        PolledThreshold(timedelta(seconds=360)).draw(random) for random in [Random(1)] for _ in range(20_000)
    )
    width = draws[int(len(draws) * 0.99)] - draws[int(len(draws) * 0.01)]
    assert timedelta(seconds=100) < width < timedelta(seconds=125)


def test_drawing_a_polled_threshold_once_is_drawing_it_at_every_poll() -> None:
    random, polls = Random(2), 72

    def polled() -> int:
        return next(poll for poll in range(polls + 1) if random.random() < poll / polls)

    window = PolledThreshold(POLL * polls)
    drawn = [window.draw(random) / POLL + 0.5 for _ in range(20_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(sum(polled() for _ in range(20_000)) / 20_000, rel=0.03)


def test_what_cannot_be_is_refused() -> None:
    for wrong in (
        {"workloads": 0},
        {"lifetime": timedelta(seconds=1)},
        {"length": timedelta(0)},
        {"loss": 1.0},
        {"skew": -MINUTE},
        {"signing_rate": 0.0},
    ):
        with pytest.raises(Refused, match="bad-scenario"):
            replace(FLEET, **wrong)
    with pytest.raises(Refused, match="bad-scenario"):
        Restart(1.5, HOUR)
    with pytest.raises(Refused, match="bad-scenario"):
        Outage(-HOUR, HOUR)


def test_the_budget_is_what_the_window_leaves_less_the_skew() -> None:
    assert FLEET.outage_budget == 15 * MINUTE
    assert replace(FLEET, skew=MINUTE).outage_budget == 14 * MINUTE
    assert replace(FLEET, skew=HOUR).outage_budget == timedelta(0)

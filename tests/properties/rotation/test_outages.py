"""No outage below the budget expires anything, and at the budget the first leaf expires to the microsecond.

Small fleets, run by the production machines in virtual time. The budget is the live one: the least life left of any
leaf when the servers die. `RECOVERY` is what the last question and its answer may take.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from trustplane.flows.simulation.scenario import Outage, Partition, Restart, Scenario
from trustplane.flows.simulation.simulate import simulate
from trustplane.registry.model import RenewalWindow

SEEDS = range(200)
RECOVERY = timedelta(seconds=1)
SECOND = timedelta(seconds=1)


def fleet(seed: int) -> Scenario:
    """A fleet and a moment, drawn from the seed."""
    random = Random(seed)
    lifetime = timedelta(seconds=random.choice([60, 120, 600, 3600]))
    opens = random.uniform(0.3, 0.6)
    return Scenario(
        workloads=random.randint(1, 60),
        per_node=random.randint(1, 10),
        lifetime=lifetime,
        window=RenewalWindow(opens, opens + random.uniform(0.05, 0.3)),
        length=max(timedelta(minutes=1), lifetime * 3),
        signing_rate=random.choice([50, 1000]),
        seed=seed,
        restarts=(Restart(random.uniform(0.1, 1), lifetime * 0.2),) if random.random() < 0.5 else (),
    )


def budget(scenario: Scenario, at: timedelta) -> timedelta:
    """The least life left when the servers die then, as the fleet itself says."""
    return simulate(replace(scenario, outages=(Outage(at, SECOND),))).endured[0].budget


@pytest.mark.parametrize("seed", SEEDS)
def test_no_outage_below_the_budget_expires_a_leaf_and_one_at_the_budget_does_then(seed: int) -> None:
    random, scenario = Random(seed + 10_000), fleet(seed)
    at = scenario.lifetime * random.uniform(0.8, 1.3)
    live = budget(scenario, at)
    assert live >= scenario.outage_budget - RECOVERY

    survived = replace(scenario, outages=(Outage(at, (live - RECOVERY) * random.choice([1, random.random()])),))
    assert simulate(survived).expired == 0

    failed = simulate(replace(scenario, outages=(Outage(at, live + RECOVERY),)))
    assert failed.expired >= 1
    assert failed.first_expiry == at + live


@pytest.mark.parametrize("seed", range(40))
def test_after_any_outage_everyone_has_a_leaf_again_and_the_queue_is_empty(seed: int) -> None:
    random, scenario = Random(seed), fleet(seed)
    outage = Outage(scenario.lifetime * 0.7, scenario.lifetime * random.uniform(0.5, 1.2))
    figures = simulate(replace(scenario, outages=(outage,), length=scenario.lifetime * 4), sampled=True)
    assert figures.remaining[-1].shares[0] == 0
    assert sum(figures.queued[-6:]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_lossy_network_and_clocks_that_differ_expire_nothing(seed: int) -> None:
    scenario = replace(fleet(seed), lifetime=timedelta(hours=1), length=timedelta(hours=4), loss=0.2)
    assert simulate(replace(scenario, skew=timedelta(minutes=2))).expired == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_partition_below_the_budget_expires_nothing(seed: int) -> None:
    scenario = replace(fleet(seed), lifetime=timedelta(hours=1), length=timedelta(hours=4), restarts=())
    answer = timedelta(seconds=10)  # the last question may have gone unanswered for so long
    cut = Partition(0.5, timedelta(hours=1), scenario.outage_budget - answer)
    assert simulate(replace(scenario, partitions=(cut,))).expired == 0

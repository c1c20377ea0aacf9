"""A change of root in virtual time: what decides is production's, the fleet sleeps, is cut off, and loses messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from trustplane.fault import Refused
from trustplane.flows.simulation.root_change import simulate_root_change
from trustplane.flows.simulation.root_scenario import Asleep, RootFigures, RootScenario
from trustplane.flows.simulation.scenario import Outage, Partition, Restart, Rule, Scenario
from trustplane.main.simulated_roots import two_roots
from trustplane.rotation.root_change import ParticipantKind, Phase
from trustplane.rotation.root_gates import Lack

MINUTE = timedelta(minutes=1)
AT_ONCE = timedelta(0)
FLEET = Scenario(workloads=210, per_node=20, lifetime=5 * MINUTE, length=3 * timedelta(hours=1))
ORDER = [Phase.PREPARE, Phase.PUBLISH, Phase.VERIFY, Phase.SWITCH, Phase.DRAIN, Phase.RETIRE, Phase.VERIFY_AGAIN]


def run(scenario: RootScenario) -> RootFigures:
    return simulate_root_change(scenario, two_roots())


def took(figures: RootFigures, phase: Phase) -> timedelta:
    (found,) = [one for one in figures.phases if one.phase is phase]
    return found.ends - found.begins


def test_a_quiet_fleet_changes_its_root_and_nobody_refuses_anybody() -> None:
    figures = run(RootScenario(FLEET))
    assert [one.phase for one in figures.phases] == [*ORDER, Phase.DONE]
    assert figures.violations == 0
    assert figures.load.expired == 0
    assert figures.margin is not None
    assert AT_ONCE <= figures.margin < MINUTE, "it is not waited for longer than needed either"
    assert took(figures, Phase.DRAIN) > FLEET.lifetime, "as long as a leaf, and a connection on top"
    heard = {phase: len(proofs.heard) for phase, proofs in figures.proofs.items()}
    agents, sidecars = (figures.scenario.count(kind) for kind in (ParticipantKind.AGENT, ParticipantKind.SIDECAR))
    assert heard == {
        Phase.PUBLISH: 210,
        Phase.VERIFY: sidecars,
        Phase.SWITCH: agents + sidecars,
        Phase.VERIFY_AGAIN: 210,
    }


def test_who_sleeps_is_waited_for_and_is_the_last() -> None:
    figures = run(RootScenario(FLEET, asleep=(Asleep(0.1, AT_ONCE, 60 * MINUTE),)))
    assert figures.violations == 0
    assert took(figures, Phase.PREPARE) + took(figures, Phase.PUBLISH) > 60 * MINUTE
    publish = figures.phases[1]
    proofs = figures.proofs[Phase.PUBLISH]
    assert proofs.after(0.8, publish.begins) < MINUTE, "everybody else was there at once"
    assert proofs.after(1, publish.begins) > 59 * MINUTE
    assert figures.load.expired > 0, "leaves of an agent that sleeps so long end"


@pytest.mark.parametrize("asleep_at", [10 * timedelta(seconds=1), MINUTE, 6 * MINUTE])
def test_with_everything_going_wrong_it_comes_to_its_end_and_breaks_nothing(asleep_at: timedelta) -> None:
    hard = replace(
        FLEET,
        loss=0.1,
        skew=timedelta(seconds=5),
        partitions=(Partition(0.3, 20 * timedelta(seconds=1), 3 * MINUTE), Partition(0.3, 7 * MINUTE, 5 * MINUTE)),
        outages=(Outage(2 * MINUTE, MINUTE),),
        restarts=(Restart(0.2, 4 * MINUTE),),
    )
    figures = run(RootScenario(hard, asleep=(Asleep(0.2, asleep_at, 4 * MINUTE),)))
    assert figures.is_done, figures.waiting[:3]
    assert figures.violations == 0


def test_without_gates_it_is_seen_what_they_are_for() -> None:
    careless = RootScenario(FLEET, asleep=(Asleep(0.1, AT_ONCE, 60 * MINUTE),), has_gates=False)
    figures = run(careless)
    assert figures.is_done
    assert figures.refused > 0
    sleepers = 20  # one node of eleven
    assert figures.refusing >= sleepers
    assert figures.orphaned > 0
    assert figures.margin is not None
    assert figures.margin < AT_ONCE
    assert run(replace(careless, has_gates=True)).violations == 0


def test_what_is_not_done_in_its_time_names_for_whom_it_waits() -> None:
    figures = run(RootScenario(replace(FLEET, length=30 * MINUTE), asleep=(Asleep(0.05, AT_ONCE, 60 * MINUTE),)))
    assert not figures.is_done
    assert figures.violations == 0
    assert {one.lack for one in figures.waiting} == {Lack.ROOT}
    names = {str(one.participant) for one in figures.waiting}
    assert len({name.rpartition(" ")[2] for name in names}) == 1, "one node sleeps"
    assert all(one.is_away for one in figures.waiting)


def test_the_wave_stays_within_its_window_and_what_the_server_can_sign() -> None:
    figures = run(RootScenario(FLEET))
    assert figures.window == timedelta(seconds=2), "210 leaves at a hundredth of a second each, and no less than that"
    assert max(figures.minutes()) <= FLEET.signing_rate * 60


def test_the_seed_decides_everything_but_the_keys() -> None:
    hard = RootScenario(replace(FLEET, loss=0.1), asleep=(Asleep(0.2, MINUTE, 10 * MINUTE),))
    one, same, other = run(hard), run(hard), run(replace(hard, fleet=replace(hard.fleet, seed=2)))
    assert (one.phases, one.load.signed) == (same.phases, same.load.signed)
    assert one.load.signed != other.load.signed


def test_other_products_rules_cannot_be_brought_forward() -> None:
    with pytest.raises(Refused, match="spire"):
        RootScenario(replace(FLEET, rule=Rule.SPIRE))

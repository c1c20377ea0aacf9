"""What a mass restart does to the signing load by our rule and other products', and what simulating it costs.

A hundred thousand workloads for a day, on one core. `--small` runs two thousand for half a day: the program, no figure.
"""

from __future__ import annotations

import resource
from datetime import timedelta
from time import process_time
from typing import Any

from benchmarks._figures import load, small, tell
from trustplane.flows.simulation.scenario import Outage, Restart, Rule, Scenario
from trustplane.flows.simulation.simulate import simulate

WORKLOADS, HOURS = (2_000, 12) if small() else (100_000, 24)


def run(rule: Rule) -> dict[str, Any]:
    begun = process_time()
    length = timedelta(hours=HOURS)
    figures = simulate(
        Scenario(
            workloads=WORKLOADS,
            length=length,
            rule=rule,
            outages=(Outage(length / 4, timedelta(minutes=14)),),
            restarts=(Restart(1, length / 2),),
        )
    )
    return {
        "rule": rule.value,
        "peak_to_mean_after_restart": round(figures.peak_to_mean, 3),
        "expired": figures.expired,
        "renewals": figures.renewals,
        "cpu_seconds": round(process_time() - begun, 1),
    }


def main() -> None:
    before = load()
    runs = [run(rule) for rule in (Rule.OURS, Rule.SPIRE, Rule.CONSUL)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures = {"workloads": WORKLOADS, "hours": HOURS, "runs": runs, "memory_mib": memory}
    tell("simulate", figures, [before, load()])


if __name__ == "__main__":
    main()

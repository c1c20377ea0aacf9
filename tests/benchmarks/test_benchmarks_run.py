"""Every benchmark runs, and prints the one JSON object that the README's figures are taken from.

In small, where its figures mean nothing: that they are there and of the right kind is all that is looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py"))
FIGURES = {
    "issuance": ("share_of_floor",),
    "push": ("p99_s", "server_kb_an_agent"),
    "agent_memory": ("kb_a_workload",),
    "diagnosis": ("both_sides_held", "one_side_held", "classified_a_core_second"),
    "policy_difference": ("cpu_seconds",),
    "policy_live": ("live_p99_s",),
    "handshakes": ("recognised_a_core_second", "asked_hour_s", "asked_all_s"),
    "policy_proxy": ("p99_1000_to_one_rule",),
}

pytestmark = pytest.mark.scenario
# Each is a mesh, an outage or a fleet of its own; what they drive is tested elsewhere at each run.
SLOW = {"agent_memory", "policy_live", "recovery", "rotation"}


def run(program: str) -> dict[str, Any]:
    command = (sys.executable, "-m", f"benchmarks.{program}", "--small")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert isinstance(said, dict)
    return said


NEVER = {"policy_live": ("wrong_verdicts", "failed_allowed_requests")}


def test_every_figure_with_a_goal_has_a_program() -> None:
    assert set(FIGURES) <= set(PROGRAMS)


@pytest.mark.parametrize(
    "program", [pytest.param(one, marks=[pytest.mark.long] if one in SLOW else []) for one in PROGRAMS]
)
def test_prints_one_object_that_names_its_machine(program: str) -> None:
    said = run(program)
    assert said.keys() >= {"name", "machine", "load"}
    assert said["name"] == program
    assert said["machine"].keys() >= {"cpu", "cores", "kernel", "python"}
    for name in FIGURES.get(program, ()):
        figure = said[name]
        assert figure.keys() >= {"value", "goal", "met"}
        assert figure["value"] > 0
        assert isinstance(figure["met"], bool)
    for name in NEVER.get(program, ()):
        assert said[name] == 0

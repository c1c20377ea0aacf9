"""Each fault of issuance, as `trustplane rehearse` plays it for an operator; one test a row.

They are played together, as the command does, because most of their time is waiting. Certificates and the quicker
processes always; the rest with `TRUSTPLANE_REHEARSE=all`, which is what a release is tried with.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence

import pytest

from trustplane.flows.rehearsal import Outcome, Rehearsal, Verdict
from trustplane.main import rehearse

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(600), pytest.mark.xdist_group("rehearsals")]

SLOWER = {"clock-ahead", "clock-behind", "partition-one", "partition-all"}
PLAYED = [name for name in rehearse.NAMES if name not in SLOWER or os.environ.get("TRUSTPLANE_REHEARSE") == "all"]


class Nobody:
    def begins(self, rehearsal: Rehearsal) -> None:
        """The outcomes are looked at afterwards."""

    def still(self, names: Sequence[str]) -> None:
        """Likewise."""

    def ended(self, outcome: Outcome) -> None:
        """Likewise."""


@functools.cache  # a fixture is set up again where a test may be tried again
def outcomes() -> Mapping[str, Outcome]:
    options = rehearse.Options(tuple(PLAYED))
    on_trial = rehearse.candidate(options, rehearse.state_on_trial(options))
    return {one.name: one for one in rehearse.run(options, on_trial, Nobody())}


@pytest.mark.parametrize("name", PLAYED)
def test_what_must_happen_happens(name: str) -> None:
    outcome = outcomes()[name]
    if outcome.verdict is not Verdict.PASSED:
        outcomes.cache_clear()  # if this is tried again, they are played again
    wrong = [f"{check.must}: {check.seen}" for check in outcome.checks if not check.holds]
    assert (wrong, outcome.ended_by) == ([], None)
    assert outcome.verdict is Verdict.PASSED

"""Each fault of issuance, as `trustplane rehearse` plays it for an operator.

They are played together, as the command does, because most of their time is waiting. Certificates and the quicker
processes always; the rest with `TRUSTPLANE_REHEARSE=all`, which is what a release is tried with.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from trustplane.flows.rehearsal import Outcome, Rehearsal, Verdict
from trustplane.main.rehearsals import run as rehearse

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(600)]

SLOWER = {"clock-ahead", "clock-behind", "partition-one", "partition-all"}
PLAYED = [name for name in rehearse.NAMES if name not in SLOWER or os.environ.get("TRUSTPLANE_REHEARSE") == "all"]


class Nobody:
    def begins(self, rehearsal: Rehearsal) -> None:
        """The outcomes are looked at afterwards."""

    def still(self, names: Sequence[str]) -> None:
        """Likewise."""

    def ended(self, outcome: Outcome) -> None:
        """Likewise."""


def test_what_must_happen_happens() -> None:
    options = rehearse.Options(tuple(PLAYED))
    outcomes = rehearse.run(options, rehearse.candidate(options, rehearse.state_on_trial(options)), Nobody())
    assert [one.name for one in outcomes] == PLAYED
    wrong = {
        one.name: [one.ended_by, *(f"{check.must}: {check.seen}" for check in one.checks if not check.holds)]
        for one in outcomes
        if one.verdict is not Verdict.PASSED
    }
    assert wrong == {}

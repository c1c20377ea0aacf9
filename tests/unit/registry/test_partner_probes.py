"""What services of other domains made of a probe comes back as it was told, whatever else a node tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.server_door import NODE, NOON
from trustplane.registry.partner_probes import Outcome, ShownProbe, shown_probes
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId

API = SpiffeId.parse("spiffe://partner.example/ns/billing/sa/api")
ROOT = "ab" * 20


@pytest.mark.parametrize(
    ("outcome", "refusal"), [(Outcome.LET_IN, ""), (Outcome.REFUSED, "unknown ca"), (Outcome.NOT_REACHED, "")]
)
def test_what_is_told_is_what_was_seen(outcome: Outcome, refusal: str) -> None:
    one = ShownProbe(NODE, API, ROOT, outcome, refusal, NOON)
    assert list(shown_probes([one.holding()])) == [one]


def test_what_is_no_such_row_is_left_out() -> None:
    good = ShownProbe(NODE, API, ROOT, Outcome.LET_IN, "", NOON).holding()
    others = [
        replace(good, participant="sidecar shop/web"),
        replace(good, thing=f"root/{ROOT}"),
        replace(good, thing=f"root//{API}"),
        replace(good, thing=f"root/{ROOT}/spiffe://Partner/../x"),
        Holding(NODE, "partners", "bundle", "a", "a", "", NOON),
    ]
    assert list(shown_probes(others)) == []

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from trustplane.main.metrics.decisions import DecisionMetrics


@dataclass
class Known:
    counted: int = 7
    unread: int = 1
    dropped: int = 2
    waiting: int = 3


def test_what_was_lost_and_what_waits_are_figures() -> None:
    registry = CollectorRegistry()
    registry.register(DecisionMetrics(Known(), Known()))
    names = ("decisions_counted_total", "decisions_unread_total", "decisions_dropped_total", "decision_parcels")
    assert [registry.get_sample_value(f"trustplane_agent_{name}") for name in names] == [7, 1, 2, 3]

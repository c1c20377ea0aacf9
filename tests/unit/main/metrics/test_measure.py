"""A metric is shown as it was declared."""

from __future__ import annotations

from collections import Counter

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tests.kit.tree import modules
from trustplane.main.metrics.measure import counter, gauge
from trustplane.main.metrics.shown import AGENT, SERVER

LENGTH = gauge("queue_length", "Who waits")
ASKED = counter("questions", "What was asked", "by")


class Two(Collector):
    def collect(self) -> list[Metric]:
        return [LENGTH.of(3), ASKED.each([(["ann"], 1), (["bob"], 2)]), gauge("nothing", "Not there").of(None)]


def test_figures_come_out_under_their_names_labels_and_meaning() -> None:
    registry = CollectorRegistry()
    registry.register(Two())
    lines = generate_latest(registry).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "queue_length 3.0",
        'questions_total{by="ann"} 1.0',
        'questions_total{by="bob"} 2.0',
    ]
    assert "# HELP queue_length Who waits" in lines
    assert "# TYPE questions_total counter" in lines
    assert ASKED.shown_as == "questions_total"


def test_no_name_is_declared_twice() -> None:
    declared = {id(one): one.name for one in (*SERVER, *AGENT)}  # what both show is one declaration
    assert [name for name, times in Counter(declared.values()).items() if times > 1] == []


def test_no_metric_is_made_without_being_declared() -> None:
    made = [path.name for path in modules("src") if "MetricFamily(" in path.read_text()]
    assert made == ["measure.py"]

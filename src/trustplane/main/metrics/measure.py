"""What a metric is called and what it means: declared once, as a constant beside the code that reads it.

docs/metrics.md is written from these constants, and no alert rule and no dashboard may name anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Family = CounterMetricFamily | GaugeMetricFamily


class Kind(Enum):
    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Measure:
    """`name` is without the `_total` that a counter is shown with."""

    kind: Kind
    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown_as(self) -> str:
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name

    def family(self) -> Family:
        """Without samples yet."""
        if self.kind is Kind.COUNTER:
            return CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        return GaugeMetricFamily(self.name, self.meaning, labels=self.labels)

    def of(self, value: float | None) -> Family:
        """The one figure of a metric without labels; None: there is none now."""
        return self.each([] if value is None else [((), value)])

    def each(self, samples: Iterable[tuple[Sequence[str], float]]) -> Family:
        """A figure for each combination of the values of its labels."""
        found = self.family()
        for labels, value in samples:
            found.add_metric(labels, value)
        return found


def gauge(name: str, meaning: str, *labels: str) -> Measure:
    return Measure(Kind.GAUGE, name, meaning, labels)


def counter(name: str, meaning: str, *labels: str) -> Measure:
    return Measure(Kind.COUNTER, name, meaning, labels)

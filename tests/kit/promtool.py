"""Prometheus' own tool: figures written as it reads them, rules evaluated over them, and which alerts fired when."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.kit.debian import tool

FIRED = 'min by (alertname) (min_over_time(timestamp(ALERTS{alertstate="firing"})[%s:%s]))'
STILL = 'count by (alertname) (ALERTS{alertstate="firing"})'
_ALERT = re.compile(r'\{alertname="([^"]+)"\} ([0-9.E+-]+)')


@dataclass
class Series:
    """One figure over time, in thousandths; none where it was not there."""

    values: list[int | None] = field(default_factory=list)

    def put(self, sample: int, value: float | None) -> None:
        """Samples without a word before it had no figure."""
        self.values += [None] * (sample - len(self.values))
        self.values.append(None if value is None else round(value * 1000))

    def written(self, samples: int) -> str:
        """As promtool reads it: runs of a constant step, and a marker where a figure goes away."""
        values = [*self.values, *[None] * (samples - len(self.values))]
        return " ".join(_runs(values))


def _runs(values: Sequence[int | None]) -> Iterator[str]:
    place = 0
    while place < len(values):
        first = values[place]
        if first is None:
            end = next((at for at in range(place, len(values)) if values[at] is not None), len(values))
            yield from _gap(end - place, is_loss=place > 0)
        else:
            end = _end_of_run(values, place)
            step = (values[place + 1] or 0) - first if end - place > 1 else 0
            yield _told(first, step, end - place)
        place = end


def _end_of_run(values: Sequence[int | None], start: int) -> int:
    first, end = values[start], start + 1
    assert first is not None
    if end == len(values) or (second := values[end]) is None:
        return end
    step = second - first
    while end < len(values) and values[end] == first + step * (end - start):
        end += 1
    return end


def _gap(length: int, *, is_loss: bool) -> Iterator[str]:
    if is_loss:
        yield "stale"
        length -= 1
    if length:
        yield f"_x{length}"


def _told(first: int, step: int, length: int) -> str:
    if length == 1:
        return _thousandths(first)
    sign = "-" if step < 0 else "+"
    return f"{_thousandths(first)}{sign}{_thousandths(abs(step))}x{length - 1}"


def _thousandths(value: int) -> str:
    return f"{value / 1000:.3f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Recording:
    """`interval` and `length` are in minutes; `series` as promtool reads them."""

    name: str
    about: str
    interval: int
    length: int
    series: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Recording:
        found = json.loads(path.read_text())
        return cls(path.stem, found["about"], found["interval"], found["length"], found["series"])

    def write(self, folder: Path) -> None:
        told = {"about": self.about, "interval": self.interval, "length": self.length, "series": dict(self.series)}
        (folder / f"{self.name}.json").write_text(json.dumps(told, indent=1) + "\n")

    def test(self) -> dict[str, object]:
        """That nothing fires: what fires is in the answer."""
        minutes, step = f"{self.length}m", f"{self.interval}m"
        return {
            "name": self.name,
            "interval": step,
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "promql_expr_test": [
                {"expr": FIRED % (minutes, step), "eval_time": minutes},
                {"expr": STILL, "eval_time": minutes},
            ],
        }


@dataclass(frozen=True, slots=True)
class Fired:
    """In minutes from the start of the recording. `at_end`: it fires there still."""

    first: float
    at_end: bool


def fired(rules: Sequence[Path], recording: Recording, folder: Path) -> dict[str, Fired]:
    """Which alerts fired over a recording, by the word of promtool."""
    script = folder / f"{recording.name}.test.yaml"
    tests = [recording.test()]
    told = {
        "rule_files": [str(one) for one in rules],
        "evaluation_interval": "2m",
        "group_eval_order": _groups(rules),
        "tests": tests,
    }
    script.write_text(json.dumps(told))  # JSON is YAML, and is written faster than YAML is
    answer = subprocess.run(
        [tool("promtool"), "test", "rules", str(script)], capture_output=True, text=True, check=False
    )
    assert "FAILED" in answer.stdout + answer.stderr or answer.returncode == 0, answer.stderr
    parts = (answer.stdout + answer.stderr).split("expr: ")
    by_expr = [dict(_ALERT.findall(part.partition("got: ")[2])) for part in parts[1:]]
    first = next((one for part, one in zip(parts[1:], by_expr, strict=True) if part.startswith('"min')), {})
    still = next((one for part, one in zip(parts[1:], by_expr, strict=True) if part.startswith('"count')), {})
    return {name: Fired(float(at) / 60, name in still) for name, at in sorted(first.items())}


def _groups(rules: Sequence[Path]) -> list[str]:
    """What is recorded comes before what is made of it; without an order promtool takes any, and answers differ."""
    found = [group for one in rules for group in yaml.safe_load(one.read_text())["groups"]]
    return [one["name"] for one in sorted(found, key=lambda one: "record" not in one["rules"][0])]


def check_rules(*rules: Path) -> str:
    return _said("check", "rules", *map(str, rules))


def check_metrics(exposition: str) -> str:
    """What promtool has to say against these names; nothing, if all is well."""
    answer = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=exposition, capture_output=True, text=True, check=False
    )
    return answer.stdout + answer.stderr


def _said(*arguments: str) -> str:
    answer = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout

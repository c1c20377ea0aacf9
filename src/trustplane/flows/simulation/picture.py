"""A simulated run as a picture: SVG, written as text, the same for the same figures.

Load is drawn on a logarithmic scale, because a restart is a hundred times the everyday; every column of the picture
shows the mean and the busiest slot it covers, so that no peak is averaged away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import ceil, log10

from trustplane.flows.simulation.figures import Figures
from trustplane.rotation.slots import SLOT

WIDTH, LEFT, RIGHT = 1200, 90, 30
PANEL, GAP, TOP = 150, 58, 92
COLUMNS = WIDTH - LEFT - RIGHT
INK, FAINT, LOAD, PEAK, BAD = "#1f2933", "#d5dae0", "#1f5f99", "#a9cbe8", "#c62828"
BANDS = (
    ("none", "#c62828"),
    ("under 25 %", "#ef8a3c"),
    ("25 to 50 %", "#f2cf5b"),
    ("50 to 75 %", "#a8cf8e"),
    ("over 75 %", "#4f9d69"),
)
_SECOND = timedelta(seconds=1)

Scale = Callable[[float], float]  # a value to its height in the panel, from 0 to 1


@dataclass(frozen=True, slots=True)
class _Panel:
    """One strip of the picture."""

    top: float
    title: str

    def y(self, height: float) -> float:
        return self.top + PANEL * (1 - min(1.0, max(0.0, height)))


def picture(runs: Sequence[Figures]) -> str:
    """The first run whole, and the signing load of the others below it on the same scale."""
    first = runs[0]
    height = TOP + (4 + len(runs) - 1) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        f'<g font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_heading(first),
    ]
    decades = ceil(log10(max(10.0, *(max(run.signed) / SLOT.total_seconds() for run in runs))))
    tops = [TOP + 20 + number * (PANEL + GAP) for number in range(4 + len(runs) - 1)]
    parts += _load(first, _Panel(tops[0], f"Signatures a second, rule: {first.scenario.rule.value}"), decades)
    parts += _bands(first, _Panel(tops[1], "Workloads by the share of life their leaf has left"))
    parts += _counted(first, first.expiries, _Panel(tops[2], "Leaves expired in 5 s"), BAD)
    parts += _counted(first, first.queued, _Panel(tops[3], "Longest queue at the server in 5 s"), LOAD)
    for run, top in zip(runs[1:], tops[4:], strict=True):
        parts += _load(run, _Panel(top, f"Signatures a second, rule: {run.scenario.rule.value}"), decades)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _heading(run: Figures) -> Iterator[str]:
    of = run.scenario
    window = f"{of.window.opens:.0%} to {of.window.closes:.0%}"
    yield _text(LEFT, 30, f"{of.workloads:,} workloads, leaves of {_span(of.lifetime)}, renewed at {window}", size=18)
    peak = "the busiest 5 s hold " + (f"{run.peak_to_mean:.2f} of the mean" if run.peak_to_mean else "nothing to judge")
    lost = f"{run.expired:,} leaves expired" if run.expired else "no leaf expired"
    yield _text(LEFT, 52, f"{run.renewals:,} renewals; {lost}; {peak}; a server signs {of.signing_rate:,.0f} a second")
    legend = "grey: servers down; orange: nodes cut off; dashed: a restart that kept nothing"
    yield _text(LEFT, 72, legend, size=11)


def _frame(run: Figures, panel: _Panel) -> Iterator[str]:
    of = run.scenario
    for outage in of.outages:
        yield _strip(run, panel, outage.at, outage.until, "#9aa5b1")
    for cut in of.partitions:
        yield _strip(run, panel, cut.at, cut.until, "#f6ad55")
    yield _text(LEFT, panel.top - 8, panel.title, size=13, weight="bold")
    yield f'<rect x="{LEFT}" y="{panel.top}" width="{COLUMNS}" height="{PANEL}" fill="none" stroke="{FAINT}"/>'
    step = _step(of.length / timedelta(hours=1))
    for number in range(int(of.length / timedelta(hours=1) / step) + 1):
        x = LEFT + COLUMNS * (timedelta(hours=1) * step * number / of.length)
        yield f'<line x1="{x:.1f}" y1="{panel.top + PANEL}" x2="{x:.1f}" y2="{panel.top + PANEL + 4}" stroke="{INK}"/>'
        yield _text(x, panel.top + PANEL + 17, f"{step * number:g} h", anchor="middle", size=11)


def _marks(run: Figures, panel: _Panel) -> Iterator[str]:
    for restart in run.scenario.restarts:
        x = LEFT + COLUMNS * (restart.at / run.scenario.length)
        yield (
            f'<line x1="{x:.1f}" y1="{panel.top}" x2="{x:.1f}" y2="{panel.top + PANEL}" stroke="{INK}" '
            'stroke-dasharray="3 3"/>'
        )


def _strip(run: Figures, panel: _Panel, since: timedelta, until: timedelta, colour: str) -> str:
    x, end = (LEFT + COLUMNS * min(1.0, one / run.scenario.length) for one in (since, until))
    return (
        f'<rect x="{x:.1f}" y="{panel.top}" width="{max(1.0, end - x):.1f}" height="{PANEL}" fill="{colour}" '
        'fill-opacity="0.3"/>'
    )


def _load(run: Figures, panel: _Panel, decades: int) -> Iterator[str]:
    def scale(value: float) -> float:
        return (log10(value) + 1) / (decades + 1) if value > 0.1 else 0.0

    yield from _frame(run, panel)
    for decade in range(-1, decades + 1):
        yield from _grid(panel, (decade + 1) / (decades + 1), f"{10.0**decade:,g}")
    seconds = SLOT / _SECOND
    columns = [[one / seconds for one in column] for column in _columns(run.signed)]
    yield _area(panel, [scale(max(column)) for column in columns], PEAK)
    yield _line(panel, [scale(sum(column) / len(column)) for column in columns], LOAD)
    yield from _marks(run, panel)


def _bands(run: Figures, panel: _Panel) -> Iterator[str]:
    yield from _frame(run, panel)
    for number, (name, colour) in enumerate(BANDS):
        x = WIDTH - RIGHT - 110 * (len(BANDS) - number)
        yield f'<rect x="{x}" y="{panel.top - 18}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 15, panel.top - 9, name, size=11)
    xs = [LEFT + COLUMNS * (one.at / run.scenario.length) for one in run.remaining]
    below = [0.0] * len(run.remaining)
    for share, (_, colour) in enumerate(BANDS):
        above = [low + one.shares[share] for low, one in zip(below, run.remaining, strict=True)]
        edge = [f"{x:.1f},{panel.y(height):.1f}" for x, height in zip(xs, above, strict=True)]
        back = [f"{x:.1f},{panel.y(height):.1f}" for x, height in zip(xs, below, strict=True)]
        yield f'<polygon points="{" ".join([*edge, *reversed(back)])}" fill="{colour}"/>'
        below = above
    for percent in (0, 50, 100):
        yield from _grid(panel, percent / 100, f"{percent} %")
    yield from _marks(run, panel)


def _counted(run: Figures, counts: Sequence[int], panel: _Panel, colour: str) -> Iterator[str]:
    yield from _frame(run, panel)
    most = max(counts)
    if not most:
        yield _text(LEFT + COLUMNS / 2, panel.top + PANEL / 2, "none", anchor="middle", size=13)
        yield from _grid(panel, 0, "0")
        return
    top = _step(most) * ceil(most / _step(most))
    for height in (0.0, 0.5, 1.0):
        yield from _grid(panel, height, f"{top * height:,g}")
    yield _area(panel, [max(column) / top for column in _columns(counts)], colour)
    yield from _marks(run, panel)


def _columns(counts: Sequence[int]) -> list[Sequence[int]]:
    """The slots that each column covers; where columns are finer than slots, several show the same one."""
    total = len(counts)
    edges = [column * total // COLUMNS for column in range(COLUMNS + 1)]
    return [counts[since : max(until, since + 1)] for since, until in pairwise(edges)]


def _area(panel: _Panel, heights: Sequence[float], colour: str) -> str:
    floor = panel.y(0)
    points = " ".join(f"{LEFT + x},{panel.y(height):.1f}" for x, height in enumerate(heights))
    return f'<polygon points="{LEFT},{floor} {points} {LEFT + len(heights) - 1},{floor}" fill="{colour}"/>'


def _line(panel: _Panel, heights: Sequence[float], colour: str) -> str:
    points = " ".join(f"{LEFT + x},{panel.y(height):.1f}" for x, height in enumerate(heights))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _grid(panel: _Panel, height: float, label: str) -> Iterator[str]:
    y = panel.y(height)
    yield (f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + COLUMNS}" y2="{y:.1f}" stroke="{INK}" stroke-opacity="0.15"/>')
    yield _text(LEFT - 8, y + 4, label, anchor="end", size=11)


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", weight: str = "normal") -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'


def _step(most: float) -> float:
    """The smallest of 1, 2, 5, 10 and so on, also below 1, that goes into this at most twelve times."""
    return next(
        factor * 10.0**power for power in range(-3, 10) for factor in (1, 2, 5) if most / (factor * 10.0**power) <= 12
    )


def _span(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"

"""Pictures as SVG, written as text, the same for the same figures.

Colours are attributes, so that an exported file is whole; on a page the style sheet's classes overrule them, so that a
picture is dark where the page is. Each has a title and says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from html import escape

from trustplane.console.overview import Bar, Timeline
from trustplane.console.services import ServicePage
from trustplane.console.text import instant, neutral, span

WIDTH = 900
INK, FAINT, GROUND = "#1b1f24", "#d0d7de", "#ffffff"
GOOD, WARN, BAD, SELF = "#1a7f37", "#9a6700", "#cf222e", "#0550ae"
_LEFT, _RIGHT, _ROW, _TOP = 240, 110, 28, 58
_BOX, _TALL, _MOST_BOXES = 230, 34, 12


def expiry_timeline(timeline: Timeline) -> str:
    """A bar for each service: how long its first certificate to end still lasts."""
    rows = len(timeline.bars)
    height = _TOP + _ROW * max(rows, 1) + (34 if timeline.left_off else 14)
    said = [f"{one.service} {span(one.left)}" for one in timeline.bars]
    told = "; ".join(said) or "no service has a certificate yet"
    parts = [*opening(height, "When certificates end, the soonest first", told)]
    if not rows:
        parts.append(words(16, _TOP + 18, "no service has a certificate yet"))
    longest = max((one.lifetime or one.left for one in timeline.bars), default=timedelta(0))
    longest = max(longest, timeline.mttr or timedelta(0), timedelta(seconds=1))
    for row, bar in enumerate(timeline.bars):
        parts += _bar(bar, _TOP + row * _ROW, longest, timeline.mttr)
    if rows and timeline.mttr:
        parts += _repair(timeline.mttr, longest, _TOP + rows * _ROW)
    if timeline.left_off:
        parts.append(words(16, height - 12, f"and {timeline.left_off:,} services whose certificates last longer"))
    return "\n".join([*parts, "</svg>", ""])


def neighbours(page: ServicePage) -> str:
    """Who calls a service, and whom it calls."""
    callers = [str(one.name) for one in page.callers]
    callees = [str(one) for one in page.callees]
    rows = max(min(len(callers), _MOST_BOXES + 1), min(len(callees), _MOST_BOXES + 1), 1)
    height = 64 + rows * (_TALL + 12)
    name = str(page.service.name)
    told = f"{name} is called by {', '.join(callers) or 'nobody'} and calls {', '.join(callees) or 'nobody'}"
    middle = 52 + rows * (_TALL + 12) / 2 - 6
    parts = [*opening(height, f"Who calls {name}, and whom it calls", told)]
    parts += _column(16, callers, (16 + _BOX, WIDTH / 2 - _BOX / 2), middle, "nobody declares a call to it")
    parts += _box(WIDTH / 2 - _BOX / 2, middle - _TALL / 2, name, is_self=True)
    parts += _column(WIDTH - 16 - _BOX, callees, (WIDTH / 2 + _BOX / 2, WIDTH - 16 - _BOX), middle, "it calls nobody")
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Bar, y: float, longest: timedelta, mttr: timedelta | None) -> Iterator[str]:
    whole = WIDTH - _LEFT - _RIGHT
    kind, colour = _kind(bar, mttr)
    wide = max(whole * (bar.left / longest), 2.0)
    full = whole * ((bar.lifetime or bar.left) / longest)
    yield f"<g><title>{_text(f'{bar.service} on {bar.node}: ends {instant(bar.at)}')}</title>"
    yield words(_LEFT - 10, y + 17, _short(bar.service, 30), anchor="end")
    yield f'<rect class="track" x="{_LEFT}" y="{y + 4}" width="{full:.1f}" height="18" fill="{FAINT}"/>'
    yield f'<rect class="{kind}" x="{_LEFT}" y="{y + 4}" width="{min(wide, whole):.1f}" height="18" fill="{colour}"/>'
    left = span(bar.left) if bar.left else "expired"
    yield words(_LEFT + max(wide, full) + 8, y + 17, left)
    yield "</g>"


def _kind(bar: Bar, mttr: timedelta | None) -> tuple[str, str]:
    if not bar.left or (mttr and bar.left < mttr):
        return "bad", BAD
    if bar.lifetime and bar.left < bar.lifetime / 4:
        return "warn", WARN
    return "good", GOOD


def _repair(mttr: timedelta, longest: timedelta, bottom: float) -> Iterator[str]:
    x = _LEFT + (WIDTH - _LEFT - _RIGHT) * (mttr / longest)
    yield (
        f'<line class="line" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="{INK}" '
        'stroke-dasharray="4 4"/>'
    )
    yield words(x + 5, _TOP - 10, f"time to repair, {span(mttr)}", size=12)


def _column(x: float, names: Sequence[str], edge: tuple[float, float], middle: float, empty: str) -> Iterator[str]:
    shown = [*names[:_MOST_BOXES], *([f"and {len(names) - _MOST_BOXES} more"] if len(names) > _MOST_BOXES else [])]
    if not shown:
        yield words(x + _BOX / 2, middle + 5, empty, anchor="middle")
        return
    top = middle - (len(shown) * (_TALL + 12) - 12) / 2
    for number, name in enumerate(shown):
        y = top + number * (_TALL + 12)
        start, end = (y + _TALL / 2, middle) if x < WIDTH / 2 else (middle, y + _TALL / 2)
        yield (
            f'<path class="line" d="M{edge[0]:.1f},{start:.1f} C{(edge[0] + edge[1]) / 2:.1f},{start:.1f} '
            f'{(edge[0] + edge[1]) / 2:.1f},{end:.1f} {edge[1]:.1f},{end:.1f}" fill="none" stroke="{INK}" '
            'stroke-width="1.5" marker-end="url(#arrow)"/>'
        )
        yield from _box(x, y, name)


def _box(x: float, y: float, name: str, *, is_self: bool = False) -> Iterator[str]:
    kind, colour = ("self", SELF) if is_self else ("box", FAINT)
    yield (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{_BOX}" height="{_TALL}" rx="5" fill="{GROUND}" '
        f'stroke="{colour}" stroke-width="2"/>'
    )
    yield words(x + _BOX / 2, y + _TALL / 2 + 5, _short(name, 28), anchor="middle")


def opening(height: float, title: str, told: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" role="img" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" font-family="system-ui, sans-serif" font-size="14" '
        f'aria-label="{_text(f"{title}: {told}")}">'
    )
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path class="ink" d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker></defs>'
    )
    yield f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" fill="{GROUND}"/>'
    yield words(16, 26, title, size=16, weight="600")


def words(x: float, y: float, text: str, *, anchor: str = "start", size: int = 14, weight: str = "400") -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text class="ink" x="{x:.1f}" y="{y:.1f}" {style} fill="{INK}">{_text(text)}</text>'


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _text(words: str) -> str:
    return escape(neutral(words))

"""Failed handshakes by the hour as a picture: whether something began, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from trustplane.console.pictures import BAD, FAINT, WIDTH, opening, words
from trustplane.console.text import instant

HEIGHT, _TOP, _BOTTOM, _LEFT, _RIGHT = 200, 50, 165, 70, 16


def failure_trend(by_hour: Sequence[tuple[datetime, int]]) -> str:
    """The newest hour, which has only begun, is on the right."""
    most = max((count for _, count in by_hour), default=0)
    told = f"{sum(count for _, count in by_hour):,} in all, at most {most:,} in an hour"
    title = f"Failed handshakes of the last {len(by_hour)} hours"
    return "\n".join([*opening(HEIGHT, title, told), *_bars(by_hour, most), "</svg>", ""])


def _bars(by_hour: Sequence[tuple[datetime, int]], most: int) -> Iterator[str]:
    wide = (WIDTH - _LEFT - _RIGHT) / max(len(by_hour), 1)
    if most:
        yield words(_LEFT - 10, _TOP + 12, f"{most:,}", anchor="end")
    else:
        yield words(_LEFT, _TOP + 40, "none was told of")
    yield words(_LEFT - 10, _BOTTOM, "0", anchor="end")
    for place, (hour, count) in enumerate(by_hour):
        x = _LEFT + place * wide
        tall = (_BOTTOM - _TOP) * count / most if most else 0.0
        tall = max(tall, 2.0) if count else 0.0
        yield f"<g><title>{count:,} from {instant(hour)}</title>"
        yield f'<rect class="track" x="{x:.1f}" y="{_BOTTOM}" width="{wide - 3:.1f}" height="2" fill="{FAINT}"/>'
        if count:
            yield (
                f'<rect class="bad" x="{x:.1f}" y="{_BOTTOM - tall:.1f}" width="{wide - 3:.1f}" height="{tall:.1f}" '
                f'fill="{BAD}"/>'
            )
        if place % 6 == 0:
            yield words(x, _BOTTOM + 20, f"{hour:%H:%M}", size=12)
        yield "</g>"

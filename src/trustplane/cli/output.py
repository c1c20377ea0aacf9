"""What reaches a terminal: answers on standard output, failures on standard error, both also as JSON.

Text that came from elsewhere (a server, a file, a peer) is shown with control and direction characters written out, so
that it cannot move the cursor, recolour the screen or hide what it says.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path

import msgspec

from trustplane.fault import Fault, Finding, Place, Refused, Unavailable
from trustplane.wire.http_findings import error_shape


class Exit(IntEnum):
    """How a command ends. Scripts rely on these."""

    DONE = 0
    FAILED = 1
    WRONG_INPUT = 2
    UNAVAILABLE = 3
    WAITING = 4


class WrongInput(Refused):
    """The command line, or a file it names, is not what the command takes."""


def neutral(text: str) -> str:
    """The text with everything unprintable written as an escape; line breaks stay."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def say(text: str) -> None:
    """One or more lines of an answer."""
    sys.stdout.write(neutral(text) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Progress, or what is worth knowing beside the answer; never part of it."""
    sys.stderr.write(neutral(text) + "\n")
    sys.stderr.flush()


def say_json(body: object) -> None:
    # Unprintable characters are escapes in JSON already, except DEL, C1 and those of Unicode, which terminals obey too.
    text = msgspec.json.encode(body).decode()
    sys.stdout.write("".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text) + "\n")
    sys.stdout.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, two spaces apart, nothing cut off: a table that grep and awk can read too."""
    lines = [list(header), *([neutral(cell).replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def fields(pairs: Iterable[tuple[str, str]]) -> str:
    """A name and its value per line, values aligned; what is empty is left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name.ljust(width)}  {neutral(value)}" for name, value in shown)


def instant(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if at else "never"


def span(duration: timedelta) -> str:
    """A length of time in its two largest units: 3d 4h, 12m 5s, 40s."""
    seconds = int(abs(duration.total_seconds()))
    counts = {"d": seconds // 86400, "h": seconds // 3600 % 24, "m": seconds // 60 % 60, "s": seconds % 60}
    units = list(counts)
    first = next((at for at, unit in enumerate(units) if counts[unit]), len(units) - 1)
    shown = [f"{counts[unit]}{unit}" for unit in units[first : first + 2] if counts[unit]]
    return " ".join(shown) or "0s"


def relative(at: datetime | None, now: datetime) -> str:
    """`in 40s` or `12m ago`."""
    if at is None:
        return "never"
    return f"in {span(at - now)}" if at >= now else f"{span(now - at)} ago"


def show_fault(fault: Fault, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(msgspec.json.encode(error_shape(fault)).decode() + "\n")
    else:
        sys.stderr.write("\n".join(_finding_text(one) for one in fault.findings) + "\n")
    sys.stderr.flush()


def _finding_text(finding: Finding) -> str:
    where = f" at {finding.place}" if finding.place else ""
    heading = f"error[{finding.code}]"
    if _coloured(sys.stderr.isatty()):
        heading = f"\x1b[1;31m{heading}\x1b[0m"
    lines = (f"{where}: {finding.what}", f"  why: {finding.why}", f"  fix: {finding.fix}")
    return heading + "\n".join(map(neutral, lines))


def _coloured(terminal: bool) -> bool:  # noqa: FBT001 - what isatty says
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write_picture(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongInput(
            code="plot-not-written",
            what=f"the picture cannot be written to {file}",
            why=f"{error.strerror}",
            fix="name a file in a directory that you may write to",
        ) from error


def exit_of(fault: Fault) -> Exit:
    match fault:
        case WrongInput():
            return Exit.WRONG_INPUT
        case Unavailable():
            return Exit.UNAVAILABLE
        case _:
            return Exit.FAILED


def place_of(text: str | None) -> Place | None:
    """A place as an answer of the API writes it."""
    if not text:
        return None
    file, line, column = text.rsplit(":", 2)
    return Place(file, int(line), int(column))

"""How values are written for people, and how text from elsewhere is kept from doing anything but being read.

A page escapes what it shows (Jinja2 does that for every value); here control and direction characters are written out,
so that text cannot hide or reorder what it says, and what is huge is cut.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

MOST_CHARACTERS = 4000


def neutral(text: str) -> str:
    """Everything unprintable as an escape; line breaks stay."""
    shown = text[:MOST_CHARACTERS]
    written = "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in shown)
    more = len(text) - len(shown)
    return f"{written} (and {more} more characters)" if more else written


def shown(value: object) -> object:
    """Of each value a template prints, before it is escaped. Markup is what our own code drew."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return neutral(value)
    return value


def instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine_instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def span(length: timedelta) -> str:
    """The two largest units: 3 d 4 h, 5 min 20 s. A year is 365 days."""
    seconds = max(int(length.total_seconds()), 0)
    days = seconds // 86400
    parts = (
        (days // 365, "y"),
        (days % 365, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    )
    first = next((number for number, (amount, _) in enumerate(parts) if amount), 4)
    shown_parts = [f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount]
    return " ".join(shown_parts) or "0 s"


def relative(at: datetime, now: datetime) -> str:
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"


def sentence(text: str) -> str:
    """With a capital, unless it begins with a name, which is not ours to respell."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isascii() and first.isalpha() else text


def serial_text(serial: int) -> str:
    return f"{serial:032x}"


def count(amount: int, one: str, many: str = "") -> str:
    """`count(1, "node")` is "1 node", `count(2, "node")` "2 nodes"."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"

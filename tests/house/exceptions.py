"""What exceeds a house rule: exceptions.toml, read in both directions, so that the list prunes itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

EXCEPTIONS: dict[str, list[dict[str, str]]] = tomllib.loads((Path(__file__).parent / "exceptions.toml").read_text())


def beyond(rule: str, found: Iterable[str]) -> str:
    """What breaks the rule without being listed, and what is listed without breaking it; one a line."""
    listed = {entry["name"] for entry in EXCEPTIONS.get(rule, [])}
    broken = set(found)
    return "\n".join(
        [f"not listed: {name}" for name in sorted(broken - listed)]
        + [f"no longer needed: {name}" for name in sorted(listed - broken)],
    )

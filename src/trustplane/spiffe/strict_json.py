"""JSON from outside, read strictly: bounded, UTF-8, one object, no name twice, no NaN, no half of a surrogate pair.

Python's reader keeps the last of two equal names; another reader keeps the first, and the two then disagree about
what was signed or published.
"""

from __future__ import annotations

import json
from typing import NoReturn

from trustplane.fault import Refused


def parse_object(document: bytes, holder: str, limit: int) -> dict[str, object]:
    """The object in `document`; `holder` names it in a refusal."""
    if len(document) > limit:
        raise _bad_json(f"{holder} has {len(document)} bytes", f"at most {limit} are read")
    try:
        text = document.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if r"\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _bad_json(f"{holder} is not strict JSON", str(error)) from error
    if not isinstance(value, dict):
        raise _bad_json(f"{holder} is not a JSON object", f"it is a {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in unique if names.count(name) > 1)
        raise ValueError(f"the name {twice!r:.100} stands twice in one object")
    return unique


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _bad_json(what: str, why: str) -> Refused:
    return Refused(code="bad-json", what=what, why=why, fix="check with its producer what was sent")

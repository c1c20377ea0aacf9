"""Words of `trustplane policy` as values, and findings with their spans, as editors underline them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from trustplane.cli.output import WrongInput
from trustplane.fault import Finding, Place
from trustplane.policy.tree import Headers

_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}): ?([ -~]{1,256})")
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|[\w$?-]+|\S')


def header_lines(texts: Iterable[str]) -> Headers:
    found = []
    for text in texts:
        header = _HEADER.fullmatch(text)
        if header is None:
            raise WrongInput(
                code="bad-header",
                what=f"{text!r:.100} is not a header",
                why="it is a name, a colon and a value of printable ASCII",
                fix='write for example --header "x-team: payments"',
            )
        found.append((header[1].lower(), header[2]))
    return tuple(found)


def spans(findings: Iterable[Finding], files: Mapping[str, bytes]) -> list[dict[str, object]]:
    return [
        {"code": one.code, "what": one.what, "why": one.why, "fix": one.fix, **_span(one.place, files)}
        for one in findings
    ]


def _span(place: Place | None, files: Mapping[str, bytes]) -> dict[str, object]:
    """Line and columns count from 1; the end is the first column after the word that stands there."""
    if place is None:
        return {}
    lines = files.get(place.file, b"").decode("utf-8", "replace").split("\n")
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    word = _WORD.match(line, place.column - 1)
    end = word.end() + 1 if word else place.column
    return {"file": place.file, "line": place.line, "column": place.column, "end_column": end}

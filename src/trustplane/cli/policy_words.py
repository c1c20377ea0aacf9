"""Words of `trustplane policy` as values, and findings with their spans, as editors underline them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from trustplane.cli.output import WrongInput
from trustplane.fault import Finding, Place
from trustplane.policy.tree import Headers
from trustplane.registry.layout import TRUST_DOMAIN_FILE

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
    """Line and columns count from 1; the end is the first column after the word that stands there.

    Every finding has one within its file: what is about the whole repository is at the start of its first file.
    """
    place = place or Place(TRUST_DOMAIN_FILE, 1)
    lines = files.get(place.file, b"").decode("utf-8", "replace").split("\n")
    number = min(place.line, len(lines))
    line = lines[number - 1]
    column = min(place.column, len(line) + 1) if number == place.line else 1
    word = _WORD.match(line, column - 1)
    end = word.end() + 1 if word else column
    return {"file": place.file, "line": number, "column": column, "end_line": number, "end_column": end}

"""Log files and standard input, line by line, without ever holding more than a line's bound.

A line that is longer is cut, and bytes that are not UTF-8 are replaced: a log is evidence, however it was damaged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trustplane.fault import Place, Refused
from trustplane.handshake.readers.line import MAX_LINE, Line

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class LogFile:
    """The file of that name; `-` is standard input."""

    name: str

    def lines(self) -> Iterator[Line]:
        if self.name == STANDARD_INPUT:
            yield from _lines(sys.stdin.buffer, "standard input")
            return
        try:
            with Path(self.name).open("rb") as file:
                yield from _lines(file, self.name)
        except OSError as error:
            raise Refused(
                code="log-unreadable",
                what=f"{self.name} cannot be read",
                why=(error.strerror or str(error)).lower(),
                fix="check the path and its permissions; an error's own words go in quotes",
            ) from error


def _lines(file: IO[bytes], name: str) -> Iterator[Line]:
    number = 0
    while content := file.readline(MAX_LINE):
        number += 1
        yield Line(content.decode("utf-8", "replace"), Place(name, number))
        while content and not content.endswith(b"\n"):
            content = file.readline(MAX_LINE)

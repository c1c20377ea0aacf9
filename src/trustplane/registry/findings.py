"""Everything that is wrong with an input, collected, so that nine mistakes take one run to see.

What is quoted from the input is shown escaped and cut: a finding ends up in terminals and logs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import TracebackType

from trustplane.fault import Finding, Place, Refused

MAX_FINDINGS = 1_000
_MAX_SHOWN = 100


def shown(text: str) -> str:
    """`text` as it may be printed: escapes for what is not printable, cut when long."""
    cut = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."
    return cut if cut.isprintable() else repr(cut)[1:-1]


class Findings:
    """Keeps the first thousand; a hostile input must not buy unbounded memory with its mistakes."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._left_out = 0

    def __len__(self) -> int:
        return len(self._found) + self._left_out

    @property
    def is_full(self) -> bool:
        """Whether looking further is of no use to anyone."""
        return len(self._found) >= MAX_FINDINGS

    def add(self, *, code: str, what: str, why: str, fix: str, place: Place | None) -> None:
        self.keep(Finding(code=code, what=what, why=why, fix=fix, place=place))

    def at(self, place: Place | None) -> _Collecting:
        """Collect what the block refuses, placed at `place` where it has no place of its own."""
        return _Collecting(self, place)

    def refuse_if_any(self) -> None:
        if self._found:
            raise Refused.all_of([*sorted(self._found, key=_by_place), *self._rest()])

    def keep(self, finding: Finding) -> None:
        if len(self._found) < MAX_FINDINGS:
            self._found.append(finding)
        else:
            self._left_out += 1

    def _rest(self) -> list[Finding]:
        if not self._left_out:
            return []
        return [
            Finding(
                code="more-findings",
                what=f"{self._left_out} further findings are not shown",
                why=f"at most {MAX_FINDINGS} are kept at once",
                fix="correct the ones above and run the command again",
            )
        ]


@dataclass(frozen=True, slots=True)
class _Collecting:
    _findings: Findings
    _place: Place | None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Refused):
            return False
        for finding in error.findings:
            self._findings.keep(finding if finding.place else replace(finding, place=self._place))
        return True


def _by_place(finding: Finding) -> tuple[str, int, int]:
    place = finding.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)

"""Failures that say what, why and how to fix it.

A fault's class answers one question, who must move: the caller (`Refused`), nobody yet (`Unavailable`), or us
(`Broken`). Its code is stable across wordings: metrics, runbooks and tests key on it, and `docs/faults.md` lists
every one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a file; line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an input."""

    code: str
    what: str
    why: str
    fix: str
    place: Place | None = None

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"error[{self.code}]{where}: {self.what}\n  why: {self.why}\n  fix: {self.fix}"


class Fault(Exception):  # noqa: N818 - a fault is the noun operators read; "FaultError" says it twice
    """A failure with its three sentences. Plain class: frozen exceptions break `contextlib`."""

    def __init__(self, *, code: str, what: str, why: str, fix: str, place: Place | None = None) -> None:
        self.finding = Finding(code=code, what=what, why=why, fix=fix, place=place)
        self.findings: tuple[Finding, ...] = (self.finding,)
        super().__init__(str(self.finding))

    @property
    def code(self) -> str:
        return self.finding.code


class Refused(Fault):
    """The caller must change something."""

    @classmethod
    def all_of(cls, findings: Sequence[Finding]) -> Refused:
        """One fault that carries every finding, so that nine mistakes take one run to see."""
        first = findings[0]
        fault = cls(code=first.code, what=first.what, why=first.why, fix=first.fix, place=first.place)
        fault.findings = tuple(findings)
        fault.args = ("\n".join(str(finding) for finding in findings),)
        return fault


class Unavailable(Fault):
    """Nobody must change anything; it may work later, at the earliest after `retry_after`."""

    def __init__(
        self,
        *,
        code: str,
        what: str,
        why: str,
        fix: str,
        retry_after: timedelta | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(code=code, what=what, why=why, fix=fix, place=place)
        self.retry_after = retry_after


class Broken(Fault):
    """We must change something: an invariant of ours does not hold."""

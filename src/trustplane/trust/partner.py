"""What another trust domain has shown of its uptake of our bundle, and by which rule it is waited for.

A domain that has shown a statement once is believed by statements alone from then on, until the relation ends or it is
forgotten: whoever could keep its statements from us must not thereby turn proof into time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from trustplane.fault import Finding
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.federation import Failure
from trustplane.trust.statement import Statement


class Rule(Enum):
    """How it is known that a domain trusts a new root of ours."""

    STATEMENT = "statement"
    TIME = "time"
    UNKNOWN = "unknown"  # its endpoint has never answered, so it is not known whether it makes statements


@dataclass(frozen=True, slots=True)
class Shown:
    """`since`: from when on it has said what it says now. `is_silent`: the endpoint is there and has no statement."""

    trust_domain: TrustDomain
    statement: Statement | None = None
    since: datetime | None = None
    asked_at: datetime | None = None
    failure: Failure | None = None
    is_silent: bool = False

    @property
    def rule(self) -> Rule:
        if self.statement is not None:
            return Rule.STATEMENT
        return Rule.TIME if self.is_silent else Rule.UNKNOWN

    def said(self, statement: Statement, at: datetime) -> Shown:
        is_same = self.statement is not None and self.statement.says_the_same(statement)
        return Shown(self.trust_domain, statement, self.since if is_same else at, at)

    def was_silent(self, finding: Finding, at: datetime) -> Shown:
        """Of a domain that has made statements, silence is a failure."""
        if self.statement is not None:
            return self.failed(finding, at)
        return Shown(self.trust_domain, asked_at=at, is_silent=True)

    def failed(self, finding: Finding, at: datetime) -> Shown:
        since = self.failure.since if self.failure else at
        return replace(self, asked_at=at, failure=Failure(finding, since))

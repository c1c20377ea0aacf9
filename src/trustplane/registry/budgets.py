"""How much time an operator grants to mistakes and outages, the two rules that follow, and what sets a rule aside.

A rule's name is the code of the finding that reports it broken, so a waiver is written from the finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import TypeAlias

from trustplane.fault import Refused
from trustplane.spiffe.names import ServiceName

LONGEST_BUDGET = timedelta(days=365)
LONGEST_WAIVER = timedelta(days=180)
MAX_REASON_CHARACTERS = 500

_WAIVER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class BudgetRule(Enum):
    """What must hold of a profile."""

    OUTLIVES_DETECTION = "outlives-detection"  # lifetime < mttd
    EXPIRES_BEFORE_REPAIR = "expires-before-repair"  # (1 - end of the renewal window) x lifetime >= mttr


@dataclass(frozen=True, slots=True)
class Budgets:
    """`mttd`: time to detect a wrong issuance. `mttr`: time to repair the issuer. None: no rule follows."""

    mttd: timedelta | None = None
    mttr: timedelta | None = None

    def __post_init__(self) -> None:
        for name, budget in (("mttd", self.mttd), ("mttr", self.mttr)):
            if budget is not None and not timedelta(0) < budget <= LONGEST_BUDGET:
                raise Refused(
                    code="bad-budget",
                    what=f"{name} is {budget}",
                    why="a time to detect or repair is more than nothing and at most a year",
                    fix=f"write for example {name}: 4h, or remove it",
                )


@dataclass(frozen=True, slots=True, order=True)
class ProfileName:
    """A profile as the target of a waiver."""

    text: str

    def __str__(self) -> str:
        return f"profile {self.text}"


Target: TypeAlias = ProfileName | ServiceName


@dataclass(frozen=True, slots=True)
class Waiver:
    """A rule set aside for one profile or one service, by its owners, until the end of a day (UTC)."""

    name: str
    rule: BudgetRule
    target: Target
    reason: str
    owner: str
    until: date

    def __post_init__(self) -> None:
        if not _WAIVER_NAME.fullmatch(self.name):
            raise Refused(
                code="bad-name",
                what=f"{self.name!r:.100} does not name a waiver",
                why="a name is 1 to 63 lower-case letters, digits and inner dashes",
                fix="choose a name such as legacy-clients",
            )
        if not self.reason.strip() or len(self.reason) > MAX_REASON_CHARACTERS:
            raise Refused(
                code="bad-reason",
                what=f"the reason of waiver {self.name} has {len(self.reason.strip())} characters",
                why=f"whoever reads it later must learn why the rule was set aside, in 1 to {MAX_REASON_CHARACTERS}",
                fix="say what needs the exception, and what will end it",
            )

    @property
    def file(self) -> str:
        return f"waivers/{self.name}.yaml"

    def covers(self, rule: BudgetRule, target: Target) -> bool:
        return self.rule is rule and self.target == target

    def has_ended(self, at: datetime) -> bool:
        return at.date() > self.until

    def in_words(self) -> str:
        return f"waived until {self.until.isoformat()} by {self.file}"


Waivers: TypeAlias = Mapping[str, Waiver]

"""An act that one person proposes and another approves, as plain words that have one digest.

The digest covers the act, the state it was judged against, and everything that was shown of it, so that what is
approved, what is carried out and what is in the audit log can be compared byte by byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from trustplane.fault import Refused

MAX_ACT_BYTES = 64 * 1024
MAX_TEXT = 500
MOST_WORDS = 60
MAX_PLAN = 32 * 1024


class ActKind(Enum):
    START_ROOT_CHANGE = "start-root-change"
    WAIVE_PARTICIPANT = "waive-participant"
    PROMOTE_DRY_RUN = "promote-dry-run"
    REVOKE_ID = "revoke-id"
    REVOKE_ISSUER = "revoke-issuer"

    @classmethod
    def parse(cls, text: str) -> ActKind:
        found = next((one for one in cls if one.value == text), None)
        if found is None:
            raise Refused(
                code="unknown-act",
                what=f"{text!r:.60} is no act that is proposed and approved",
                why="an act has its own rules of what is shown before, and of what it was judged against",
                fix=f"one of {', '.join(one.value for one in cls)}",
            )
        return found


@dataclass(frozen=True, slots=True)
class Act:
    """`terms` are all that it is done with; whoever carries it out reads nothing else."""

    kind: ActKind
    terms: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(_canonical(self.terms)) > MAX_ACT_BYTES:
            raise Refused(
                code="act-too-large",
                what=f"what is proposed has more than {MAX_ACT_BYTES // 1024} KB",
                why="whoever approves it has to read it",
                fix="propose it in smaller steps",
            )

    @classmethod
    def of(cls, kind: ActKind, **terms: str) -> Act:
        return cls(kind, terms)

    def __getitem__(self, term: str) -> str:
        return self.terms[term]


@dataclass(frozen=True, slots=True)
class Judged:
    """What an act was judged against, and what is shown to whoever approves it.

    `state` is what must be the same when it is carried out. `words` say what will happen, and to whom; `plan` is
    Markdown, where there is more to say.
    """

    state: Mapping[str, str]
    words: tuple[str, ...]
    plan: str = ""

    def __post_init__(self) -> None:
        cut = tuple(one[:MAX_TEXT] for one in self.words[:MOST_WORDS])
        object.__setattr__(self, "words", cut)
        object.__setattr__(self, "plan", self.plan[:MAX_PLAN])


def digest_of(act: Act, judged: Judged, proposed_by: str, number: int) -> str:
    """With its number: the digest of one proposal approves no other one, however alike they are."""
    whole = {
        "number": number,
        "kind": act.kind.value,
        "terms": dict(act.terms),
        "state": dict(judged.state),
        "words": list(judged.words),
        "plan": judged.plan,
        "by": proposed_by,
    }
    return hashlib.sha256(_canonical(whole)).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value if not isinstance(value, Mapping) else dict(value), sort_keys=True).encode()

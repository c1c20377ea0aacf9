"""What a record says of the refusal itself: who refused, for which reason, at which certificate, in which alert.

An alert is never the cause (docs/decisions/0401): it is kept because the other side's record has nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trustplane.handshake.failure import MAX_FIELD, Failure, Side
from trustplane.handshake.recognise import Recognised
from trustplane.handshake.signature import Voice, plain

_LISTS: Final = "certificate revocation check against provided crls failed: "
_VERIFYING: Final = re.compile(rf"at depth (\d{{1,3}}): (?:{_LISTS})?([^:|]{{1,200}})")
_FAILED: Final = re.compile(r"verify cert failed: ([^:|,\[]{1,200})")
_ALERT: Final = re.compile(r"(?:sslv3|tlsv1|tlsv13) alert ([a-z ]{3,60})")
_REFUSING: Final = frozenset({Voice.VERIFIER, Voice.UNEXPLAINED})
_REFUSED: Final = frozenset({Voice.ALERT, Voice.SILENCE})


@dataclass(frozen=True, slots=True)
class Refusal:
    """`rejecter`: who refused, where the record tells. `reason` is the verifier's, `depth` counts from the leaf.
    `alert` is the one that the other side sent."""

    rejecter: Side | None = None
    reason: str = ""
    depth: int | None = None
    alert: str = ""


def refusal_of(recognised: Recognised) -> Refusal:
    text = plain(recognised.failure.text)
    verifying, failed, alert = _VERIFYING.search(text), _FAILED.search(text), _ALERT.search(text)
    return Refusal(
        rejecter=_rejecter(recognised),
        reason=(verifying[2] if verifying else failed[1] if failed else "").strip()[:MAX_FIELD],
        depth=int(verifying[1]) if verifying else None,
        alert=alert[1].strip() if alert else "",
    )


def _rejecter(recognised: Recognised) -> Side | None:
    side = recognised.failure.side
    if side is None or recognised.voice is None:
        return None
    if recognised.voice in _REFUSING:
        return side
    return other(side) if recognised.voice in _REFUSED else None


def other(side: Side) -> Side:
    return Side.SERVER if side is Side.CLIENT else Side.CLIENT


def clients_end(failure: Failure) -> str:
    """The address that both sides' records of one connection have in common."""
    return failure.peer if failure.side is Side.SERVER else failure.local

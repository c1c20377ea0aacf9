"""From records and clues to causes, each with a confidence that says how far it can be trusted.

The rule against being sure and wrong (docs/decisions/0401): a cause is sure, 0.9 or more, only in the verifying side's
own words, and only when those words and the clues leave nothing else of weight. An alert is never sure, for many faults
share it; silence even less. A certificate that shows a fault raises a cause, but proves no motive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography.x509 import Certificate

from trustplane.handshake import held as holdings
from trustplane.handshake import issuer as issuers
from trustplane.handshake import records
from trustplane.handshake import state as states
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.clue import Clue, Weighs
from trustplane.handshake.failure import Failure, Side
from trustplane.handshake.holding import NOTHING as NOTHING_HELD
from trustplane.handshake.issuer import NOBODY_ISSUED
from trustplane.handshake.join import Pair
from trustplane.handshake.known import NOTHING, Known
from trustplane.handshake.recognise import Recognised, Unknown, recognise
from trustplane.handshake.signature import Voice
from trustplane.handshake.state import State

SURE: Final = 0.9
LEAST: Final = 0.03
MAX_SUSPECTS: Final = 6
# The most that can be believed: in this voice alone, and with a certificate or list that shows the fault.
CEILINGS: Final = {
    Voice.VERIFIER: (0.95, 0.98),
    Voice.OWN: (0.95, 0.98),
    Voice.UNEXPLAINED: (0.75, 0.88),
    Voice.ALERT: (0.8, 0.88),
    Voice.SILENCE: (0.85, 0.85),
    None: (0.3, 0.6),
}
FACTORS: Final = {Weighs.PROVES: 20.0, Weighs.FAVOURS: 6.0, Weighs.AGAINST: 0.1, Weighs.EXCLUDES: 0.005}
JUDGING: Final = frozenset({Voice.VERIFIER, Voice.UNEXPLAINED})
# The most that anything is believed for what a side holds at the time of the question.
HELD_NOW: Final = 0.88
# A signature of one side, of a record that does not say whose it is.
SIDE_UNKNOWN: Final = 0.6
# A clue may bring in a cause that the record hides: none of the verifier's words exclude it.
HIDDEN: Final = 0.1
_FIRST: Final = {
    Voice.VERIFIER: 0,
    Voice.OWN: 1,
    Voice.UNEXPLAINED: 2,
    Voice.ALERT: 3,
    Voice.SILENCE: 4,
    None: 5,
}


@dataclass(frozen=True, slots=True)
class Suspect:
    cause: str
    confidence: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`suspects` begin with the likeliest. `missing` says what would decide between them. `judged` are the names of the
    certificate that was refused, as far as a record gives them."""

    signature: str
    suspects: tuple[Suspect, ...]
    missing: tuple[str, ...]
    judged: tuple[str, ...]
    speaker: Failure = field(repr=False)
    pair: Pair = field(repr=False)

    @property
    def cause(self) -> str:
        return self.suspects[0].cause

    @property
    def runbook(self) -> str:
        return CAUSES[self.cause].runbook

    @property
    def sure(self) -> bool:
        return self.suspects[0].confidence >= SURE


def diagnose(pair: Pair, known: Known = NOTHING) -> Diagnosis:
    recognised = sorted(map(recognise, pair.failures), key=lambda one: _FIRST[one.voice])
    speaker, others = recognised[0], recognised[1:]
    shown = _of_that_moment(known.shown, speaker)
    clues = records.clues(pair, speaker.failure, judges=speaker.voice in JUDGING)
    shown, issued = _as_issued(known, pair, speaker, shown)
    state = shown
    clues += [*issued, *(states.clues(shown) if shown is not None else ())]
    suspects = _weighed_suspects(clues, speaker, others)
    if (both := _between(known, speaker)) is not None:
        state = _shown_first(shown, holdings.state_of(both))
        more = [*clues, *(one for one in (*states.clues(state), *holdings.clues(both)) if one not in clues)]
        suspects = _believed(_weighed_suspects(more, speaker, others), suspects[0])
    missing = _missing(suspects, speaker, pair, state)
    return Diagnosis(speaker.signature.id, suspects, missing, _judged_names(speaker, pair), speaker.failure, pair)


def likeliest(alone: Recognised) -> str:
    """What `diagnose` says first of one side's record without anything beside it."""
    one = alone.failure
    pair = Pair(one, None) if one.side is Side.CLIENT else Pair(None, one)
    weights = _weighed(
        _weights(alone),
        records.clues(pair, one, judges=alone.voice in JUDGING),
        hides=alone.voice is not Voice.VERIFIER,
    )
    return max(weights, key=lambda cause: weights[cause])


def _weighed_suspects(clues: Sequence[Clue], speaker: Recognised, others: Sequence[Recognised]) -> tuple[Suspect, ...]:
    weights = _weighed(_heard(speaker, others), clues, hides=speaker.voice is not Voice.VERIFIER)
    return _suspects(weights, clues, speaker, others)


def _believed(suspects: tuple[Suspect, ...], before: Suspect) -> tuple[Suspect, ...]:
    """What a side holds now is not always what it held then: alone it makes nothing sure (docs/decisions/0525)."""
    first = suspects[0]
    if first.confidence <= HELD_NOW or (first.cause == before.cause and before.confidence >= SURE):
        return suspects
    return (replace(first, confidence=HELD_NOW), *suspects[1:])


def _of_that_moment(shown: State | None, speaker: Recognised) -> State | None:
    """As of the failure, and without a chain that is not the one that was judged."""
    if shown is None:
        return None
    chain = shown.chain if _is_the_judged(shown.chain, speaker, shown.at) else ()
    return replace(shown, at=speaker.failure.at or shown.at, judged=_judged(speaker), chain=chain)


def _between(known: Known, speaker: Recognised) -> holdings.Between | None:
    judged, at = _judged(speaker), speaker.failure.at or known.at
    if known.held is NOTHING_HELD or judged is None or at is None:
        return None
    both = holdings.between(known.held, judged, speaker.failure, at)
    if _is_the_judged(both.judged.chain or (), speaker, known.at):
        return both
    return replace(both, judged=replace(both.judged, chain=None))


def _is_the_judged(chain: Sequence[Certificate], speaker: Recognised, asked: datetime | None) -> bool:
    """A record may have the serial number or the end of what was judged; without either, it contradicts nothing. A
    leaf that began between the failure and the question is a newer one."""
    claims, at = speaker.failure.theirs, speaker.failure.at
    if not chain:
        return True
    if at is not None and asked is not None and at < chain[0].not_valid_before_utc <= asked:
        return False
    if speaker.voice not in JUDGING:
        return True
    if claims.serial:
        return claims.serial.lstrip("0").lower() == f"{chain[0].serial_number:x}"
    end = chain[0].not_valid_after_utc
    return claims.not_after is None or abs(claims.not_after - end) < timedelta(seconds=1)


def _as_issued(known: Known, pair: Pair, speaker: Recognised, shown: State | None) -> tuple[State | None, list[Clue]]:
    """What the issuer knows of the certificate that was judged, beside what was shown of it."""
    judged, at = _judged(speaker), speaker.failure.at or known.at
    if known.issuer is NOBODY_ISSUED or judged is None or at is None:
        return shown, []
    of = issuers.judged(known.issuer, pair, judged)
    state = _shown_first(shown, issuers.state_of(known.issuer, of, at))
    return state, issuers.clues(known.issuer, of, pair, at)


def _shown_first(shown: State | None, held: State) -> State:
    if shown is None:
        return held
    return replace(
        shown,
        chain=shown.chain or held.chain,
        roots=held.roots if shown.roots is None else shown.roots,
        crls=held.crls if shown.crls is None else shown.crls,
        names=held.names,
    )


def _judged(speaker: Recognised) -> Side | None:
    """Whose certificate was found wanting: the other side's where the verifier speaks, else its own."""
    signature, side = speaker.signature, speaker.failure.side
    if isinstance(signature, Unknown):
        return None
    if signature.judged or side is None:
        return signature.judged
    other = Side.SERVER if side is Side.CLIENT else Side.CLIENT
    return other if signature.voice in JUDGING else side


def _judged_names(speaker: Recognised, pair: Pair) -> tuple[str, ...]:
    if speaker.voice in JUDGING:
        return records.presented(speaker.failure) or records.of_the_other(pair, speaker.failure)
    ours = speaker.failure.ours.spiffe_id
    return (ours,) if ours else ()


def _weights(speaker: Recognised) -> dict[str, float]:
    if isinstance(speaker.signature, Unknown):
        return {"unknown": 1.0}
    return dict(speaker.signature.causes)


def _heard(speaker: Recognised, others: Sequence[Recognised]) -> dict[str, float]:
    """What the other side was told narrows what this side said. Silence tells nothing.

    Of a reason that was given, an alert can only contradict; where none was given, it is all there is.
    """
    weights = _weights(speaker)
    for other in others:
        if isinstance(other.signature, Unknown) or other.voice is Voice.SILENCE:
            continue
        told = dict(other.signature.causes)
        if not told.keys() & weights.keys():
            continue
        if speaker.voice is Voice.UNEXPLAINED:
            weights = {cause: told.get(cause, weight * 0.02) for cause, weight in weights.items()}
        else:
            weights = {cause: weight * (1 if cause in told else 0.1) for cause, weight in weights.items()}
    return weights


def _weighed(weights: dict[str, float], clues: Sequence[Clue], *, hides: bool) -> dict[str, float]:
    weighed = dict(weights)
    for clue in clues:
        if clue.cause in weighed:
            weighed[clue.cause] *= FACTORS[clue.weighs]
        elif hides and clue.weighs is Weighs.PROVES:
            weighed[clue.cause] = HIDDEN * FACTORS[clue.weighs]
    return weighed


def _suspects(
    weights: dict[str, float], clues: Sequence[Clue], speaker: Recognised, others: Sequence[Recognised]
) -> tuple[Suspect, ...]:
    total = sum(weights.values())
    proved = {clue.cause for clue in clues if clue.weighs is Weighs.PROVES}
    ranked = sorted(weights.items(), key=lambda one: -one[1])
    excluded = {clue.cause for clue in clues if clue.weighs is Weighs.EXCLUDES}
    alone, with_proof = CEILINGS[speaker.voice]
    guessed = _side_is_guessed(speaker)
    written = _written(speaker, others)
    found: list[Suspect] = []
    for cause, weight in ranked[:MAX_SUSPECTS]:
        ceiling = with_proof if cause in proved else alone
        if guessed:
            ceiling = min(ceiling, SIDE_UNKNOWN)
        if cause in excluded:
            # All that the words allow is denied by the facts: something here is not what it seems.
            ceiling = min(ceiling, 0.5)
        confidence = round(weight / total * ceiling, 3)
        if confidence >= LEAST or not found:
            weighed = [f"{clue.weighs.value}: {clue.says}" for clue in clues if clue.cause == cause]
            found.append(Suspect(cause, confidence, (*written, *weighed)))
    return tuple(found)


def _side_is_guessed(speaker: Recognised) -> bool:
    signature = speaker.signature
    return speaker.failure.side is None and not isinstance(signature, Unknown) and signature.match.side is not None


def _written(speaker: Recognised, others: Sequence[Recognised]) -> tuple[str, ...]:
    """The records' own words, which are evidence for whatever is concluded from them."""
    said = f"{_whose(speaker.failure)}: {speaker.failure.text or speaker.failure.details or speaker.failure.flags:.300}"
    heard = [f"{_whose(one.failure)}: {one.failure.text or one.failure.flags or '-':.300}" for one in others]
    return (said, *heard)


def _whose(failure: Failure) -> str:
    side = failure.side.value if failure.side else "a"
    what = failure.implementation.value if failure.implementation else "unrecognised"
    where = f" at {failure.place.file}:{failure.place.line}" if failure.place else ""
    whose = f" of {failure.writer}" if failure.writer else ""
    return f"{side} record ({what}){whose}{where}"


def _missing(suspects: Sequence[Suspect], speaker: Recognised, pair: Pair, state: State | None) -> tuple[str, ...]:
    if suspects[0].confidence >= SURE:
        return ()
    found = []
    if pair.missing and speaker.voice is not Voice.VERIFIER:
        other = "server" if pair.missing is Side.SERVER else "client"
        found.append(f"the {other}'s record of the same connection")
    if not isinstance(speaker.signature, Unknown) and len(suspects) > 1:
        found.append(speaker.signature.tells)
    names = {one.cause for one in suspects}
    if names & _SHOWN_BY_CHAIN and not (state and state.chain):
        found.append("the chain that was judged (--chain)")
    if names & _SHOWN_BY_BUNDLE and (state is None or state.roots is None):
        found.append("the verifier's bundle (--bundle)")
    if names & _SHOWN_BY_LIST and (state is None or state.crls is None):
        found.append("the verifier's revocation list (--crl)")
    return tuple(dict.fromkeys(found))


_SHOWN_BY_BUNDLE: Final = frozenset({"unknown-issuer", "missing-intermediate", "root-expired", "wrong-trust-domain"})
_SHOWN_BY_LIST: Final = frozenset({"revoked", "crl-expired", "crl-missing"})
_SHOWN_BY_CHAIN: Final = _SHOWN_BY_BUNDLE | {
    "leaf-expired", "issuer-expired", "not-yet-valid", "self-signed", "wrong-usage", "path-length", "wrong-san",
    "rejected-by-server", "revoked",
}  # fmt: skip

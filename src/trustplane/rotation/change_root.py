"""Changing a root with everyone watching.

Two promises. A root signs nothing that is used before every participant has proved that it trusts it. A root leaves
only when no live leaf and no open connection depends on it, counted from when the last of its leaves was replaced.
An emergency and a waiver are the only exceptions, and both are on record.

`feed` takes the change as it is stored, one event and an instant, and answers with the change as it is to be stored
and what must be done then. What is to be done follows from what is proven to be undone, so whoever reads the record
after a crash is told the same again, and each effect may be done twice. Time alone opens no gate, but for other trust
domains that can show nothing. Going back is the same way with the roots exchanged, possible until the leaving root has
left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from trustplane.fault import Refused
from trustplane.rotation.root_change import Phase, RootChange, Survey, Waiver
from trustplane.rotation.root_gates import excused, last_leaf_of, may_be_remade, must_be_remade_again, waits
from trustplane.trust.authority import AuthorityId, AuthorityState


@dataclass(frozen=True, slots=True)
class Looked:
    """This is what is proven now."""

    survey: Survey


@dataclass(frozen=True, slots=True)
class Paused:
    """An operator wants nothing further to happen."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """An operator wants it to go on."""


@dataclass(frozen=True, slots=True)
class GoneBack:
    """An operator wants the root of before."""


@dataclass(frozen=True, slots=True)
class Excused:
    """An operator answers for a participant."""

    waiver: Waiver


Event = Looked | Paused | Resumed | GoneBack | Excused


@dataclass(frozen=True, slots=True)
class MakeRoot:
    """A key and certificate that nobody knows of yet."""


@dataclass(frozen=True, slots=True)
class PrepareIssuers:
    """An issuing authority below that root for every server that signs, ready to take over."""

    root: AuthorityId


@dataclass(frozen=True, slots=True)
class Publish:
    """Put that root into every bundle beside the other."""

    root: AuthorityId


@dataclass(frozen=True, slots=True)
class Switch:
    """Let issuing authorities below `coming` sign, and those below `leaving` no more."""

    leaving: AuthorityId
    coming: AuthorityId


@dataclass(frozen=True, slots=True)
class Remake:
    """Have every connection made anew that was made before this order."""

    order: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Take that root out of every bundle, and what it signed out of use."""

    root: AuthorityId


@dataclass(frozen=True, slots=True)
class Noticed:
    """The change entered this phase."""

    phase: Phase


Effect = MakeRoot | PrepareIssuers | Publish | Switch | Remake | Retire | Noticed
Fed = tuple[RootChange, tuple[Effect, ...]]


def feed(change: RootChange, event: Event, at: datetime) -> Fed:
    """Take one event; answer with the change as it is now and what must be done."""
    match event:
        case Looked() if change.is_paused or change.phase.is_over:
            return change, ()
        case Looked(survey):
            return _looked(change, survey, at)
        case Paused():
            return replace(_going(change), is_paused=True), ()
        case Resumed():
            return replace(_going(change), is_paused=False), ()
        case GoneBack():
            return _gone_back(_going(change), at)
        case Excused(waiver):
            others = tuple(one for one in _going(change).waivers if one.participant != waiver.participant)
            return replace(change, waivers=(*others, waiver)), ()


def _looked(change: RootChange, survey: Survey, at: datetime) -> Fed:
    change = _adopted(change, survey)
    if change.coming is None:
        return change, (MakeRoot(),)
    is_open = not waits(change, survey, at)
    match change.phase:
        case Phase.PREPARE:
            return _prepared(change, change.coming, survey, at)
        case Phase.SWITCH:
            return _switched(change, change.coming, survey, at)
        case Phase.DRAIN | Phase.RETIRE:
            return _drained(change, survey, at, is_open=is_open)
        case _ if is_open:
            return _enter(change, _after(change), at)
        case _:
            return _with_issuers(change, change.coming, survey)


def _after(change: RootChange) -> Phase:
    """Where an open gate leads, in the phases that only wait for proofs."""
    match change.phase:
        case Phase.PUBLISH:
            return Phase.VERIFY
        case Phase.VERIFY:
            return Phase.SWITCH
        case _:
            return Phase.ABORTED if change.is_going_back else Phase.DONE


def _adopted(change: RootChange, survey: Survey) -> RootChange:
    """A root that was made is found again, whoever crashed after making it."""
    if change.coming is not None:
        return change
    staged = sorted(root for root, state in survey.roots.items() if state is AuthorityState.STAGED)
    return replace(change, coming=staged[0]) if staged else change


def _prepared(change: RootChange, coming: AuthorityId, survey: Survey, at: datetime) -> Fed:
    if coming not in survey.are_issuers_ready:
        return change, (PrepareIssuers(coming),)
    if survey.roots.get(coming) is AuthorityState.STAGED:
        return change, (Publish(coming),)
    return _enter(replace(change, published_at=at), Phase.PUBLISH, at)


def _with_issuers(change: RootChange, coming: AuthorityId, survey: Survey) -> Fed:
    """A server that was added meanwhile needs one too."""
    return change, () if coming in survey.are_issuers_ready else (PrepareIssuers(coming),)


def _switched(change: RootChange, coming: AuthorityId, survey: Survey, at: datetime) -> Fed:
    if survey.roots.get(coming) is AuthorityState.ACTIVE:
        if waits(change, survey, at):
            return change, ()
        return _enter(replace(change, replaced_at=at, last_leaf=last_leaf_of(change, survey)), Phase.DRAIN, at)
    if not waits(change, survey, at):
        return change, (Switch(change.leaving, coming),)
    if change.is_going_back or coming not in survey.are_issuers_ready:
        return _with_issuers(change, coming, survey)
    return _enter(change, Phase.VERIFY, at)  # someone came who has proved nothing yet


def _drained(change: RootChange, survey: Survey, at: datetime, *, is_open: bool) -> Fed:
    state = survey.roots.get(change.leaving)
    if change.phase is Phase.RETIRE and state is AuthorityState.RETIRED:
        return _enter(replace(change, left_at=at), Phase.VERIFY_AGAIN, at)
    if state is AuthorityState.ACTIVE or _shows_leaving(change, survey, at):
        return _enter(replace(change, replaced_at=None, remade_from=None, remade_again=None), Phase.SWITCH, at)
    change = replace(change, last_leaf=last_leaf_of(change, survey))
    if not is_open:
        return (
            _waiting_to_retire(change, survey, at) if change.phase is Phase.DRAIN else _enter(change, Phase.DRAIN, at)
        )
    if change.phase is Phase.DRAIN:
        return _enter(change, Phase.RETIRE, at)
    return change, (Retire(change.leaving),)


def _waiting_to_retire(change: RootChange, survey: Survey, at: datetime) -> Fed:
    """Told when it can help: whoever connects anew from then on can show no leaf below the leaving root."""
    if not may_be_remade(change, survey, at):
        return change, ()
    if change.remade_from is None:
        change = replace(change, remade_from=at)
    elif must_be_remade_again(change, survey, at):
        change = replace(change, remade_again=at)
    else:
        return change, ()
    return change, (Remake(change.told),)


def _shows_leaving(change: RootChange, survey: Survey, at: datetime) -> bool:
    is_excused = excused(change, at)
    return any(change.leaving in one.shows and not is_excused(one) for one in survey.seen)


def _enter(change: RootChange, phase: Phase, at: datetime) -> Fed:
    return replace(change, phase=phase, since=at), (Noticed(phase),)


def _gone_back(change: RootChange, at: datetime) -> Fed:
    if change.is_going_back:
        raise Refused(
            code="rotation-goes-back",
            what=f"change {change.number} is going back already",
            why="the root of before is taking over again",
            fix="trustplane rotate status shows how far it is; start another change when it is over",
        )
    if change.phase in {Phase.RETIRE, Phase.VERIFY_AGAIN}:
        raise Refused(
            code="rotation-too-late",
            what=f"change {change.number} cannot be taken back any more",
            why="the root of before is leaving the bundles, and who has dropped it would not trust it",
            fix="let it finish; then trustplane rotate start makes a new root",
        )
    if change.coming is None:
        return _enter(change, Phase.ABORTED, at)
    exchanged = replace(
        change,
        leaving=change.coming,
        coming=change.leaving,
        is_going_back=True,
        is_paused=False,
        replaced_at=None,
        last_leaf=None,
        remade_from=None,
        remade_again=None,
    )
    return _enter(exchanged, Phase.SWITCH, at)


def _going(change: RootChange) -> RootChange:
    if change.phase.is_over:
        raise Refused(
            code="rotation-over",
            what=f"change {change.number} is {change.phase.value}",
            why="there is nothing left to pause, resume, take back or waive",
            fix="trustplane rotate history shows it; trustplane rotate start begins another",
        )
    return change

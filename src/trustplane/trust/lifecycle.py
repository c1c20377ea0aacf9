"""When authorities are made, take over and leave.

Three promises. An owner never has two active authorities of a kind. Once it has one it never lacks a successor in time:
one is prepared at half of the active one's life, or earlier if it must be published for long, and takes over at two
thirds. An authority retires only when it has
expired, and since nothing it signs outlives it, nothing alive depends on it then.

A JWT key signs only after it has been in the bundle for `publish_ahead`, or for as long as other trust domains need to
fetch it (FE-1) if that is longer, unless no other key could sign: then waiting would help nobody. An issuing authority
needs no such wait, its certificate comes with every leaf.

Decisions come from what is stored and the instant alone. An authority whose time has not come counts as present, so a
clock that was set back makes nothing new. An issuing authority succeeds only below the root that signs: those below
another wait for `rotation.change_root`, which decides when a root takes over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trustplane.fault import Refused
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState

SHORTEST_LIFE = timedelta(minutes=2)
PREPARE_AT = 1 / 2
ACTIVATE_AT = 2 / 3


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long each kind lives, and how long a JWT key is published before it signs."""

    root: timedelta = timedelta(days=3650)
    issuing: timedelta = timedelta(days=30)
    jwt: timedelta = timedelta(days=30)
    publish_ahead: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        if min(self.issuing, self.jwt) < SHORTEST_LIFE or max(self.issuing, self.jwt) > self.root:
            raise Refused(
                code="bad-authority-lifetime",
                what=f"issuing authorities are to live {self.issuing}, JWT keys {self.jwt}, the root {self.root}",
                why=f"each lives {SHORTEST_LIFE} or longer, and none longer than the root",
                fix="leave them at their defaults (30 days, 30 days, ten years) or choose values between those bounds",
            )
        if self.publish_ahead > self.jwt * (ACTIVATE_AT - PREPARE_AT):
            raise Refused(
                code="bad-publish-ahead",
                what=f"JWT keys that live {self.jwt} are to be published {self.publish_ahead} before use",
                why="between half and two thirds of a key's life there is not that much time",
                fix=f"let JWT keys live {self.publish_ahead * 6} or longer",
            )


@dataclass(frozen=True, slots=True)
class MakeRoot:
    """There is none yet."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make an authority of that kind for the owner, prepared."""

    kind: AuthorityKind


@dataclass(frozen=True, slots=True)
class Activate:
    """Let that authority sign from now on; the one it replaces, if any, drains first."""

    authority: AuthorityId
    replaces: AuthorityId | None


@dataclass(frozen=True, slots=True)
class Retire:
    """It has expired, and with it everything it signed."""

    authority: AuthorityId
    state: AuthorityState


@dataclass(frozen=True, slots=True)
class JwtTurn:
    """When an owner's next JWT key is made and published, and when it signs."""

    made_at: datetime
    signs_at: datetime


Step = MakeRoot | Prepare | Activate | Retire


def due(
    authorities: Iterable[Authority],
    owner: NodeName,
    lifetimes: Lifetimes,
    at: datetime,
    ahead: timedelta = timedelta(0),
) -> Step | None:
    """The next step for this owner's authorities, or nothing. Ask again after each step.

    `ahead`: how long other trust domains need to fetch a JWT key before it signs.
    """
    known = tuple(authorities)
    root = root_in_use(known)
    if root is None:
        return None if any(each.kind is AuthorityKind.ROOT for each in known) else MakeRoot()
    if at >= root.not_after:
        return _retirement(known, at)  # nothing new can be made below an expired root
    return (
        _succession(known, owner, root, at)
        or _jwt_succession(known, owner, root, max(lifetimes.publish_ahead, ahead), at)
        or _retirement(known, at)
    )


def root_in_use(authorities: Iterable[Authority]) -> Authority | None:
    """The root that signs issuing authorities: the oldest active one, should two ever be."""
    roots = [each for each in authorities if each.kind is AuthorityKind.ROOT and each.state is AuthorityState.ACTIVE]
    return min(roots, key=lambda each: (each.not_before, each.id), default=None)


def active(authorities: Iterable[Authority], owner: NodeName, kind: AuthorityKind) -> Authority | None:
    """The authority of that kind that signs for this owner."""
    return next(
        (
            each
            for each in authorities
            if each.kind is kind and each.owner == owner and each.state is AuthorityState.ACTIVE
        ),
        None,
    )


def waiting_issuer(
    authorities: Iterable[Authority], owner: NodeName | None, at: datetime, unlike: AuthorityId | None = None
) -> Authority | None:
    """The prepared issuing authority that would take over for this owner, other than `unlike`."""
    others = [each for each in authorities if each.id != unlike]
    return _successor(others, owner, AuthorityKind.ISSUING, at) if owner else None


def prepared_below(
    authorities: Iterable[Authority], owner: NodeName, root: AuthorityId, at: datetime
) -> Authority | None:
    """The issuing authority of this owner that will sign when that root does."""
    waiting = [
        each
        for each in authorities
        if (each.kind, each.owner, each.parent) == (AuthorityKind.ISSUING, owner, root)
        and each.state is AuthorityState.PREPARED
        and at < each.not_after
    ]
    return max(waiting, key=lambda each: (each.not_after, each.id), default=None)


def below_leaving_roots(authorities: Iterable[Authority], at: datetime) -> tuple[Authority, ...]:
    """Issuing authorities that sign no more because their root is leaving: their leaves are to be replaced."""
    known = tuple(authorities)
    leaving = {each.id for each in known if (each.kind, each.state) == (AuthorityKind.ROOT, AuthorityState.DRAINING)}
    return tuple(
        each
        for each in known
        if each.parent in leaving and each.state is AuthorityState.DRAINING and at < each.not_after
    )


def owners_without(authorities: Iterable[Authority], root: AuthorityId, at: datetime) -> tuple[NodeName, ...]:
    """Who signs now, and could not if that root were the one to sign below."""
    known = tuple(authorities)
    signing = [each for each in known if each.kind is AuthorityKind.ISSUING and each.state is AuthorityState.ACTIVE]
    owners = {each.owner for each in signing if each.owner is not None and at < each.not_after}
    ready = {each.owner for each in signing if each.parent == root}
    return tuple(sorted(owner for owner in owners - ready if prepared_below(known, owner, root, at) is None))


def _succession(
    known: Sequence[Authority],
    owner: NodeName,
    root: Authority,
    at: datetime,
    *,
    kind: AuthorityKind = AuthorityKind.ISSUING,
    ahead: timedelta = timedelta(0),
) -> Step | None:
    signing = active(known, owner, kind)
    successor = _successor(known, owner, kind, at)
    if signing is None or at >= signing.not_after or signing.parent not in {None, root.id}:
        return Activate(successor.id, signing.id if signing else None) if successor else Prepare(kind)
    if successor is None:
        # One that ends with the root has no successor that could outlive it.
        wanted = at >= _prepared_at(signing, ahead) and signing.not_after < root.not_after
        return Prepare(kind) if wanted else None
    # Not before its time: after a clock was set back, the one that signs goes on.
    if at >= _share(signing, ACTIVATE_AT) and at >= successor.not_before:
        return Activate(successor.id, signing.id)
    return None


def next_jwt(
    authorities: Iterable[Authority], owner: NodeName, lifetimes: Lifetimes, at: datetime, ahead: timedelta
) -> JwtTurn | None:
    """As `due` will have it, if it is asked in time; None while no key of this owner signs."""
    known = tuple(authorities)
    signing = active(known, owner, AuthorityKind.JWT)
    if signing is None:
        return None
    ahead = max(lifetimes.publish_ahead, ahead)
    successor = _successor(known, owner, AuthorityKind.JWT, at)
    made_at = successor.not_before if successor else max(at, _prepared_at(signing, ahead))
    return JwtTurn(made_at, max(_share(signing, ACTIVATE_AT), made_at + ahead))


def takes_over_at(signing: Authority) -> datetime:
    """When its successor signs in its place, if that is prepared in time."""
    return _share(signing, ACTIVATE_AT)


def _prepared_at(signing: Authority, ahead: timedelta) -> datetime:
    return min(_share(signing, PREPARE_AT), _share(signing, ACTIVATE_AT) - ahead)


def _jwt_succession(
    known: Sequence[Authority], owner: NodeName, root: Authority, publish_ahead: timedelta, at: datetime
) -> Step | None:
    step = _succession(known, owner, root, at, kind=AuthorityKind.JWT, ahead=publish_ahead)
    if not isinstance(step, Activate):
        return step
    keys = [each for each in known if each.kind is AuthorityKind.JWT]
    successor = next(each for each in keys if each.id == step.authority)
    another_signs = any(each.state is AuthorityState.ACTIVE and at < each.not_after for each in keys)
    return step if not another_signs or at >= successor.not_before + publish_ahead else None


def _successor(known: Sequence[Authority], owner: NodeName, kind: AuthorityKind, at: datetime) -> Authority | None:
    root = root_in_use(known)
    waiting = [
        each
        for each in known
        if each.kind is kind
        and each.owner == owner
        and each.state is AuthorityState.PREPARED
        and at < each.not_after
        and (each.parent is None or (root is not None and each.parent == root.id))
    ]
    return max(waiting, key=lambda each: (each.not_after, each.id), default=None)


def _retirement(known: Sequence[Authority], at: datetime) -> Step | None:
    """Of any owner: an instance that is gone for good cannot retire its own."""
    for each in known:
        if each.kind is not AuthorityKind.ROOT and each.state is not AuthorityState.RETIRED and at >= each.not_after:
            return Retire(each.id, each.state)
    return None


def _share(authority: Authority, share: float) -> datetime:
    return authority.not_before + (authority.not_after - authority.not_before) * share

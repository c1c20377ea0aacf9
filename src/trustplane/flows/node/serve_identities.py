"""What a workload is given, for as long as it asks: its identities and the bundles it may trust.

A subscription attests its process once, then answers with the whole state at once and again whenever that state
differs from what was last said. What a workload is no longer entitled to is missing from the next answer; when nothing
is left the subscription ends with a refusal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from trustplane.attest.entitlement import entitled, needs_digest
from trustplane.attest.evidence import Evidence
from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.registry.view import Entry, Withdrawn
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.jwt_svid import JwtSvid, verify_jwt
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid

MAX_HINT_BYTES = 1024  # WA-15
MAX_AUDIENCES = 32
MAX_AUDIENCE_CHARACTERS = 2048
JWT_LEEWAY = timedelta(seconds=30)

Shape = TypeVar("Shape")


NOTHING_WITHDRAWN = Withdrawn()


@dataclass(frozen=True, slots=True)
class HeldIdentities:
    """What an agent holds for its node: each entry with its SVID, or none yet, the bundles it trusts, what is revoked.

    Without bundles the agent has heard from no server yet.
    """

    held: tuple[tuple[Entry, KeyedSvid | None], ...]
    bundles: BundleSet
    withdrawn: Withdrawn = NOTHING_WITHDRAWN

    @classmethod
    def nothing_yet(cls) -> HeldIdentities:
        return cls((), BundleSet({}))


class Caller(Protocol):
    """The process that asks."""

    async def evidence(self, *, digest: bool) -> Evidence:
        """Refuses when the process is gone; `digest`: with that of its executable."""
        ...


class JwtMinter(Protocol):
    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str: ...


@dataclass(frozen=True, slots=True)
class X509Identity:
    keyed: KeyedSvid
    hint: str

    @property
    def spiffe_id(self) -> SpiffeId:
        return self.keyed.svid.spiffe_id


@dataclass(frozen=True, slots=True)
class X509Grant:
    """`identities` has at least one, the default first. `bundles`: concatenated DER per trust domain, none empty."""

    identities: tuple[X509Identity, ...]
    bundles: Mapping[TrustDomain, bytes]
    crls: tuple[bytes, ...] = ()  # DER, of the own trust domain


@dataclass(frozen=True, slots=True)
class X509Bundles:
    bundles: Mapping[TrustDomain, bytes]
    crls: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class JwtIdentity:
    spiffe_id: SpiffeId
    token: str
    hint: str


Granted = tuple[tuple[Entry, KeyedSvid | None], ...]


class Subscribers(Protocol):
    """Who hears which bundle each subscriber was given."""

    def digest(self, held: HeldIdentities) -> str: ...

    def opened(self, name: str) -> str: ...

    def given(self, participant: str, desired: str, held: str) -> None: ...

    def closed(self, participant: str) -> None: ...


class ServeIdentities:
    def __init__(
        self, identities: Feed[HeldIdentities], minter: JwtMinter, clock: Clock, subscribers: Subscribers | None = None
    ) -> None:
        self._identities = identities
        self._minter = minter
        self._clock = clock
        self._subscribers = subscribers or _NobodyTold()

    def follow_x509(self, caller: Caller) -> AsyncIterator[X509Grant]:
        return self._followed(caller, _x509_grant)

    def follow_x509_bundles(self, caller: Caller) -> AsyncIterator[X509Bundles]:
        return self._followed(
            caller, lambda granted, held: X509Bundles(_x509_bundles(granted, held.bundles), _crls(held))
        )

    def follow_jwt_bundles(self, caller: Caller) -> AsyncIterator[Mapping[TrustDomain, bytes]]:
        """JWK Sets."""
        return self._follow(caller, lambda granted, held: _jwt_bundles(granted, held.bundles))

    async def fetch_jwt(
        self, caller: Caller, audience: Sequence[str], wanted: SpiffeId | None = None
    ) -> tuple[JwtIdentity, ...]:
        """A token for the identity wanted, or for each the workload has."""
        _check_audience(audience)
        held = self._held()
        granted = _granted(held, await self._selectors(caller, held))
        asked = [entry for entry, _ in granted if wanted in (None, entry.spiffe_id)]
        if not asked:
            raise Refused(
                code="not-entitled",
                what=f"this workload may not act as {wanted}",
                why="no entry gives a process with its selectors that ID",
                fix="ask for an identity the workload has, or add an entry for it to the trust repository",
            )
        hints = _unique_hints(asked)
        return tuple(
            [
                JwtIdentity(entry.spiffe_id, await self._minter.mint(entry.spiffe_id, audience), hint)
                for entry, hint in zip(asked, hints, strict=True)
            ]
        )

    async def validate_jwt(self, caller: Caller, token: str, audience: str) -> JwtSvid:
        held = self._held()
        granted = _granted(held, await self._selectors(caller, held))
        try:
            svid = verify_jwt(token, audience, _trusted(granted, held.bundles), self._clock.now(), JWT_LEEWAY)
            _check_not_revoked(svid.spiffe_id, held.withdrawn)
        except Refused as fault:
            # One code whatever the rule: the caller can only drop the token (WA-12).
            raise Refused(
                code="invalid-jwt-svid", what=fault.finding.what, why=fault.finding.why, fix=fault.finding.fix
            ) from fault
        return svid

    async def _followed(
        self, caller: Caller, shape: Callable[[Granted, HeldIdentities], Shape]
    ) -> AsyncIterator[Shape]:
        """And told of: what is asked for next was preceded by what was taken."""
        participant, held = "", ""
        try:
            async for shaped in self._follow(caller, shape):
                desired = self._subscribers.digest(self._held())
                participant = participant or self._subscribers.opened(_named(shaped))
                self._subscribers.given(participant, desired, held)
                yield shaped
                held = desired
                self._subscribers.given(participant, desired, held)
        finally:
            self._subscribers.closed(participant)

    async def _follow(self, caller: Caller, shape: Callable[[Granted, HeldIdentities], Shape]) -> AsyncIterator[Shape]:
        shown: frozenset[Selector] | None = None
        with_digest = False
        said: Shape | None = None
        async for held in self._identities.values():
            wants_digest = needs_digest(entry for entry, _ in held.held)
            if shown is None or (wants_digest and not with_digest):
                shown, with_digest = await self._selectors(caller, held), wants_digest
            shaped = shape(_granted(held, shown), held)
            if shaped != said:
                said = shaped
                yield shaped

    def _held(self) -> HeldIdentities:
        return self._identities.value

    async def _selectors(self, caller: Caller, held: HeldIdentities) -> frozenset[Selector]:
        evidence = await caller.evidence(digest=needs_digest(entry for entry, _ in held.held))
        return evidence.selectors()


class _NobodyTold:
    def digest(self, held: HeldIdentities) -> str:
        del held
        return ""

    def opened(self, name: str) -> str:
        del name
        return ""

    def given(self, participant: str, desired: str, held: str) -> None:
        del participant, desired, held

    def closed(self, participant: str) -> None:
        del participant


def _named(shaped: object) -> str:
    match shaped:
        case X509Grant(identities):
            return str(identities[0].spiffe_id)
        case _:
            return "bundles"


def _granted(held: HeldIdentities, shown: frozenset[Selector]) -> Granted:
    if not held.bundles:
        raise Unavailable(
            code="agent-not-ready",
            what="the agent knows no identities yet",
            why="it has not heard from a server since it started",
            fix="wait; if it lasts, look at `trustplane agent status`",
            retry_after=timedelta(seconds=1),
        )
    keyed = {entry.spiffe_id: one for entry, one in held.held}
    entries = entitled([entry for entry, _ in held.held], shown)
    if not entries:
        raise Refused(
            code="no-identity",
            what="no identity issued",  # the words clients of other agents look for
            why="no entry of this node matches the process's selectors",
            fix=f"add a service with selectors out of {_told(shown)} to the trust repository",
        )
    return tuple((entry, keyed[entry.spiffe_id]) for entry in entries)


def _told(shown: frozenset[Selector]) -> str:
    # Only what the process knows about itself anyway.
    return ", ".join(sorted(str(one) for one in shown if one.kind in {"unix:uid", "unix:gid", "unix:path"}))


def _x509_grant(granted: Granted, held: HeldIdentities) -> X509Grant:
    ready = [(entry, keyed) for entry, keyed in granted if keyed is not None]
    if not ready:
        raise Unavailable(
            code="svid-not-issued",
            what=f"the SVID of {granted[0][0].spiffe_id} is not there yet",
            why="the agent has ordered it and waits for a server",
            fix="wait; if it lasts, look at `trustplane agent status`",
            retry_after=timedelta(seconds=1),
        )
    hints = _unique_hints([entry for entry, _ in ready])
    identities = tuple(X509Identity(keyed, hint) for (_, keyed), hint in zip(ready, hints, strict=True))
    return X509Grant(identities, _x509_bundles(granted, held.bundles), _crls(held))


def _crls(held: HeldIdentities) -> tuple[bytes, ...]:
    return tuple(one.crl for one in held.withdrawn.crls)


def _own(granted: Granted) -> TrustDomain:
    return granted[0][0].spiffe_id.trust_domain


def _unique_hints(entries: Sequence[Entry]) -> list[str]:
    seen: set[str] = set()
    hints = []
    for entry in entries:
        fits = entry.hint not in seen and len(entry.hint.encode()) <= MAX_HINT_BYTES
        hints.append(entry.hint if fits else "")
        seen.add(entry.hint)
    return hints


def _trusted(granted: Granted, bundles: BundleSet) -> BundleSet:
    """Its own trust domain's, and those its identities have a relation with; the node may hold others."""
    return bundles_of([entry for entry, _ in granted], bundles)


def bundles_of(entries: Sequence[Entry], bundles: BundleSet) -> BundleSet:
    """What whoever has these identities may verify with."""
    own = {entry.spiffe_id.trust_domain for entry in entries}
    wanted = own.union(*(entry.federates for entry in entries))
    return BundleSet({name: bundle for name, bundle in bundles.items() if name in wanted})


def _x509_bundles(granted: Granted, bundles: BundleSet) -> Mapping[TrustDomain, bytes]:
    """A domain that vouches for nothing is left out: absent is how a Workload API withdraws a bundle (WA-5)."""
    trusted = _trusted(granted, bundles)
    found = {name: bundle.x509_der() for name, bundle in trusted.items() if bundle.x509_authorities}
    return _with_own(_own(granted), found)


def _jwt_bundles(granted: Granted, bundles: BundleSet) -> Mapping[TrustDomain, bytes]:
    found = {name: bundle_document.jwks(bundle) for name, bundle in _trusted(granted, bundles).items()}
    return _with_own(_own(granted), found)


def _with_own(own: TrustDomain, found: Mapping[TrustDomain, bytes]) -> Mapping[TrustDomain, bytes]:
    if own not in found:
        raise Unavailable(
            code="own-bundle-missing",
            what=f"the agent holds no authority of {own}",
            why="without it the workload could verify nobody (WA-9)",
            fix="wait; if it lasts, look at `trustplane status` for the trust domain's authorities",
            retry_after=timedelta(seconds=5),
        )
    return found


def _check_not_revoked(spiffe_id: SpiffeId, withdrawn: Withdrawn) -> None:
    if spiffe_id in withdrawn.ids:
        raise Refused(
            code="svid-revoked",
            what=f"{spiffe_id} is revoked",
            why="every token and certificate of that ID is refused until an operator lifts it",
            fix=f"trustplane explain {spiffe_id} says who revoked it, when and why",
        )


def _check_audience(audience: Sequence[str]) -> None:
    if not audience or not all(audience):
        raise Refused(
            code="no-audience",
            what="a JWT-SVID was asked for without an audience",
            why="a token for nobody in particular could be replayed to anybody (WA-10)",
            fix="name the service the token is for",
        )
    if len(audience) > MAX_AUDIENCES or any(len(one) > MAX_AUDIENCE_CHARACTERS for one in audience):
        raise Refused(
            code="bad-audience",
            what=f"{len(audience)} audiences were asked for",
            why=f"at most {MAX_AUDIENCES} of {MAX_AUDIENCE_CHARACTERS} characters are put into one token",
            fix="ask for one token for each audience",
        )

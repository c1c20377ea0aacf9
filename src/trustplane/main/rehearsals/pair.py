"""Two real Envoys, a caller and a callee, and certificates put in behind the gate that would refuse them.

Every step that is to be seen in a handshake comes with an issuing authority of its own: a caller whose chain is signed
by another one makes its connections anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from google.protobuf.message import Message

from trustplane.fault import Refused
from trustplane.flows.rehearsal import Check
from trustplane.main.envoy_bench import EnvoyBench, Member, log_lines
from trustplane.main.rehearsals.chains import Chain, Issuer, Root
from trustplane.registry.model import Profile
from trustplane.registry.view import Caller, Withdrawn
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName, default_id
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.xds_messages import XdsMessages
from trustplane.xds.guards import published
from trustplane.xds.resources import Kind, Offer, Resource

CALLER, CALLEE = "web", "pay"
SHOWS_WITHIN = timedelta(seconds=15)
LOOK_EVERY_SECONDS = 0.1
MAX_SEEN_CHARACTERS = 300

_ENVELOPE = re.compile(r"TLS_error:\|\d+:SSL_routines:OPENSSL_internal:|:TLS_error_end")
_FOR_A_SPACE = re.compile(r"(?<![A-Z])_|_(?![A-Z])")  # Envoy writes spaces so; names of errors keep theirs

Line = Mapping[str, object]


class ExchangedSecrets(XdsMessages):
    """Secrets on their way to a proxy, some of them exchanged after the gate has seen the sound ones."""

    def __init__(self, descriptors: Descriptors) -> None:
        super().__init__(descriptors)
        self._read = descriptors
        self._exchanged: dict[str, Resource] = {}

    @contextlib.contextmanager
    def exchanged(self, secret: Resource) -> Iterator[None]:
        self._exchanged[secret.name] = secret
        try:
            yield
        finally:
            del self._exchanged[secret.name]

    def encoded(self, one: Resource) -> Message:
        found = self._exchanged.get(one.name) if one.kind is Kind.SECRET else None
        return super().encoded(one) if found is None else self._read.any(found.content)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The issuer configuration on trial."""

    trust_domain: TrustDomain
    profile: Profile

    def id_of(self, name: str) -> SpiffeId:
        return default_id(self.trust_domain, ServiceName("rehearsal", name))


class Pair:
    """`patience` is how long what must show is waited for."""

    def __init__(self, bench: EnvoyBench, messages: ExchangedSecrets, candidate: Candidate, root: Root) -> None:
        self._bench = bench
        self._messages = messages
        self.candidate = candidate
        self.root = root
        self.patience = SHOWS_WITHIN

    @property
    def caller(self) -> Member:
        return self._bench.members[CALLER]

    @property
    def callee(self) -> Member:
        return self._bench.members[CALLEE]

    def leaf(self, name: str, issuer: Issuer, at: datetime) -> Chain:
        return issuer.leaf(self.candidate.id_of(name), self.candidate.profile, at)

    async def renew(self, at: datetime, issuer: Issuer | None = None) -> None:
        """New sound leaves for both, and so connections made anew."""
        issuer = issuer or self.root.issuer(at)
        await self.hold(at, self.leaf(CALLER, issuer, at), self.leaf(CALLEE, issuer, at))

    async def hold(self, at: datetime, caller: Chain, callee: Chain, withdrawn: Withdrawn | None = None) -> None:
        """Both proxies hold these, which are sound."""
        self._publish(at, caller, callee, withdrawn or Withdrawn())
        for member in (self.callee, self.caller):
            await self._bench.settled(member)

    def _publish(self, at: datetime, caller: Chain, callee: Chain, withdrawn: Withdrawn) -> None:
        self._bench.at, self._bench.withdrawn = at, withdrawn
        for member, chain in ((self.callee, callee), (self.caller, caller)):
            member.svid = chain.keyed()
            self._bench.publish(member)

    @contextlib.asynccontextmanager
    async def holding(self, at: datetime, member: Member, broken: Chain) -> AsyncIterator[None]:
        """This proxy holds the broken chain instead of its own; afterwards both hold new sound ones."""
        with self._messages.exchanged(broken.secret(str(member.sidecar.spiffe_id))):
            await self.renew(at)
            yield
        await self.renew(at)

    @contextlib.asynccontextmanager
    async def offered(self, at: datetime, member: Member, broken: Chain) -> AsyncIterator[str]:
        """This proxy is offered the broken chain and refuses it. Yields its words."""
        name = str(member.sidecar.spiffe_id)
        with self._messages.exchanged(broken.secret(name)):
            issuer = self.root.issuer(at)
            self._publish(at, self.leaf(CALLER, issuer, at), self.leaf(CALLEE, issuer, at), Withdrawn())
            yield await self._refusal(member, f"secret/{name}")
        await self.renew(at)

    async def _refusal(self, member: Member, thing: str) -> str:
        def answered() -> bool:
            found = self._bench.uptake.held.get((member.node, thing))
            return self._bench.holds(member) or (found is not None and bool(found.refusal))

        await self._bench.uptake.until(answered)
        return self._bench.uptake.held[member.node, thing].refusal

    def gate(self, at: datetime, member: Member, broken: Chain) -> Check:
        """What our own last gate before a proxy says of it."""
        must = f"our gate refuses to publish it for {member.sidecar.service.name}"
        secret = broken.secret(str(member.sidecar.spiffe_id))
        sound = self._bench.offer(member)
        offer = Offer(tuple(secret if one.name == secret.name else one for one in sound))
        try:
            published(offer, at)
        except Refused as refused:
            return Check(must, f"{refused.code}: {refused.finding.what}"[:MAX_SEEN_CHARACTERS], holds=True)
        return Check(must, "it would have been published", holds=False)

    async def answers(self, status: int) -> Check:
        """Whether calls come to be answered like that: workers take up what was acknowledged a moment later."""
        must, seen = f"{CALLER}'s calls to {CALLEE} are answered {status}", 0
        give_up = time.monotonic() + self.patience.total_seconds()
        while time.monotonic() < give_up:
            seen = await self.status()
            if seen == status:
                break
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return Check(must, f"{CALLER} got {seen}", seen == status)

    async def status(self) -> int:
        try:
            return (await self._bench.call(CALLER, CALLEE)).status_code
        except httpx.HTTPError:
            return 0

    def watch(self, member: Member) -> Watch:
        return Watch(member, self.patience)


class Watch:
    """A proxy's access log from now on."""

    def __init__(self, member: Member, patience: timedelta) -> None:
        self._member = member
        self._patience = patience
        self._from = len(log_lines(member.log))

    async def shows(self, must: str, field: str, wanted: str, of: Callable[[Line], bool]) -> Check:
        """That a line `of` that kind comes whose `field` contains what is wanted."""
        give_up = time.monotonic() + self._patience.total_seconds()
        seen = "no such line"
        while time.monotonic() < give_up:
            for line in log_lines(self._member.log)[self._from :]:
                if of(line):
                    seen = readable(str(line.get(field)))
                    if wanted in seen:
                        return Check(must, f"{self._member.sidecar.service.name}: {seen}", holds=True, tells=True)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return Check(must, seen, holds=False)


def readable(reason: str) -> str:
    """Envoy's failure reason without what is the same in all of them."""
    return _FOR_A_SPACE.sub(" ", _ENVELOPE.sub("", reason))[:MAX_SEEN_CHARACTERS]


@contextlib.asynccontextmanager
async def pair(folder: Path, binary: Path, cache: Path, candidate: Candidate, at: datetime) -> AsyncIterator[Pair]:
    """Up, and web's calls to pay are served."""
    root = Root(candidate.trust_domain, at - timedelta(days=1))
    messages = ExchangedSecrets(await asyncio.to_thread(Descriptors.of, binary, cache))
    bundles = BundleSet.of(root.bundle)
    async with EnvoyBench(folder, binary, messages, bundles, at) as bench:
        made = Pair(bench, messages, candidate, root)
        issuer = root.issuer(at)
        caller, callee = (made.leaf(name, issuer, at).keyed() for name in (CALLER, CALLEE))
        bench.place(ServiceName("rehearsal", CALLEE), callee, allows=[Caller(caller.svid.spiffe_id, ())])
        bench.place(ServiceName("rehearsal", CALLER), caller, calls=[CALLEE])
        await bench.start()
        yield made

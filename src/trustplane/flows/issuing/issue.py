"""Issuing X.509-SVIDs in batches.

No key is used before the intent is durable, and nothing is answered before the certificates and the outcome are. One
bad request spoils its own answer only. The event loop gets its turn after every few certificates.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from trustplane.audit import events
from trustplane.fault import Broken, Fault, Refused
from trustplane.flows.issuing.signer import Signer
from trustplane.issuance.admit import Admitted, Right, admit, admit_node, admit_probe, admit_server
from trustplane.issuance.ask import Ask
from trustplane.issuance.confirm import chain_of, confirm, confirm_whole
from trustplane.issuance.csr import Csr
from trustplane.issuance.lints import lint
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.issuance.serial import ENTROPY_BYTES, serial_from
from trustplane.issuance.shape import Order, shape
from trustplane.registry.model import Profile
from trustplane.rotation.promises import Promises
from trustplane.rotation.slots import Promise
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.x509_svid import X509Svid

# Certificates between two turns of the event loop, about a millisecond of work: a turn costs a fiftieth of that.
ADMITTED_A_TURN = 16
ORDERED_A_TURN = 32
SIGNED_A_TURN = 32
SERIAL_ATTEMPTS = 3
PROBE_LIFE = timedelta(minutes=5)
REFUSALS_NOTED = 20
SERIAL_TAKEN = "serial-taken"  # the code of the store's refusal of a serial number that it already holds

Given = TypeVar("Given")
Made = TypeVar("Made")


class IssuanceLog(Protocol):
    """Both return only when what they were given is durable."""

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...

    async def record_issuance(
        self, certificates: Sequence[IssuedCertificate], bodies: Sequence[bytes], at: datetime
    ) -> None: ...


class Rights(Protocol):
    """The registry's answers."""

    def right(self, node: NodeName, spiffe_id: SpiffeId) -> Right | None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What an agent asks for, as it came. `held_until`: by its own word, the end of what it holds for it now."""

    spiffe_id: str
    csr_der: bytes = field(repr=False)
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """`chain` is DER, leaf first, without the root."""

    chain: tuple[bytes, ...] = field(repr=False)
    serial: int
    not_after: datetime
    renew_at: datetime

    @property
    def svid(self) -> X509Svid:
        return X509Svid.from_der(self.chain)


@dataclass(frozen=True, slots=True)
class _Signed:
    order: Order
    leaf: bytes = field(repr=False)
    renew_at: datetime

    def issued(self) -> Issued:
        return Issued(chain_of(self.order, self.leaf), self.order.serial, self.order.not_after, self.renew_at)

    def recorded(self) -> IssuedCertificate:
        order, admitted = self.order, self.order.admitted
        return IssuedCertificate(
            serial=order.serial,
            spiffe_id=admitted.spiffe_id,
            purpose=admitted.purpose,
            node=admitted.node,
            profile=f"{admitted.profile.name}@{admitted.profile.version}",
            authority=order.authority.id,
            not_before=order.not_before,
            not_after=order.not_after,
            renew_at=self.renew_at,
            issued_at=order.issued_at,
            leaf=self.leaf,
        )


class IssueX509:
    def __init__(
        self,
        log: IssuanceLog,
        signer: Callable[[], Signer],
        rights: Rights,
        own_profile: Profile,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`own_profile` shapes the identities of nodes and servers; `signer` answers with the authority active now."""
        self._log = log
        self._signer = signer
        self._rights = rights
        self._own_profile = own_profile
        self._entropy = entropy
        self._promises: Promises[int] = Promises()

    def recall(self, certificates: Iterable[IssuedCertificate], at: datetime) -> None:
        """Count renewals promised before this server started, so that new ones keep out of their way."""
        for one in certificates:
            right = self._rights.right(one.node, one.spiffe_id)
            window = (right.profile if right else self._own_profile).renew
            if at < one.renew_at < one.not_after:
                promise = Promise(one.issued_at, one.not_after, window, one.renew_at)
                self._promises.recall(_holder(one.node, one.spiffe_id), promise, at)

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        """One answer per request, in their order. Raises only what concerns them all."""
        admitted = await _each(requests, lambda request: self._admit(node, request), ADMITTED_A_TURN)
        await self._note_refusals(node, requests, admitted, at)
        return await self._issue_all(node, Purpose.WORKLOAD, admitted, at)

    async def issue_node(self, node: NodeName, csr_der: bytes, at: datetime) -> Issued | Fault:
        """The agent's own identity, for a node that has proved itself."""
        domain = self._signer().authority.trust_domain
        admitted = _try(csr_der, lambda der: admit_node(domain, node, Csr.parse(der), self._own_profile))
        return (await self._issue_all(node, Purpose.NODE, [admitted], at))[0]

    async def issue_server(self, instance: NodeName, csr_der: bytes, at: datetime) -> Issued | Fault:
        """This server's own identity."""
        domain = self._signer().authority.trust_domain
        admitted = _try(csr_der, lambda der: admit_server(domain, instance, Csr.parse(der), self._own_profile))
        return (await self._issue_all(instance, Purpose.SERVER, [admitted], at))[0]

    async def issue_probe(self, node: NodeName, csr_der: bytes, signer: Signer, at: datetime) -> Issued | Fault:
        """For a handshake that proves a root, by an authority that signs nothing else yet."""
        domain = signer.authority.trust_domain
        profile = replace(self._own_profile, lifetime=min(self._own_profile.lifetime, PROBE_LIFE))
        admitted = _try(csr_der, lambda der: admit_probe(domain, node, Csr.parse(der), profile))
        return (await self._issue_all(node, Purpose.PROBE, [admitted], at, signer))[0]

    def _admit(self, node: NodeName, request: Request) -> Admitted:
        spiffe_id = SpiffeId.parse(request.spiffe_id)
        return admit(Ask(node, spiffe_id, Csr.parse(request.csr_der)), self._rights.right(node, spiffe_id))

    async def _note_refusals(
        self, node: NodeName, requests: Sequence[Request], admitted: Sequence[Admitted | Fault], at: datetime
    ) -> None:
        # Only what a healthy agent never asks for. A broken CSR is the asker's own loss and would fill the log.
        refused = [
            (request.spiffe_id, answer.code)
            for request, answer in zip(requests, admitted, strict=True)
            if isinstance(answer, Fault) and answer.code == "not-entitled"  # a union of outcomes is told apart by class
        ]
        if refused:
            await self._log.append_audit([events.x509_refused(node, refused[:REFUSALS_NOTED], at)], at)

    async def _issue_all(
        self,
        node: NodeName,
        purpose: Purpose,
        admitted: Sequence[Admitted | Fault],
        at: datetime,
        signer: Signer | None = None,
    ) -> list[Issued | Fault]:
        for _ in range(SERIAL_ATTEMPTS):
            try:
                return await self._attempt(node, purpose, admitted, at, signer or self._signer())
            except Refused as refused:
                if refused.code != SERIAL_TAKEN:
                    raise
        raise Broken(
            code="serials-not-random",
            what=f"{SERIAL_ATTEMPTS} times in a row, a new serial number was already taken",
            why="126 random bits do not repeat; the source of randomness does",
            fix="stop this server and check its entropy source; one cause is a snapshot restored twice",
        )

    async def _attempt(
        self, node: NodeName, purpose: Purpose, admitted: Sequence[Admitted | Fault], at: datetime, signer: Signer
    ) -> list[Issued | Fault]:
        ordered = await _each(admitted, lambda one: self._order(one, signer, at), ORDERED_A_TURN)
        orders = [one for one in ordered if isinstance(one, Order)]
        if orders:
            await self._log.append_audit([_intent(node, purpose, orders, at)], at)
        signed = _unless_unsound(await _each(ordered, lambda order: self._sign(order, signer), SIGNED_A_TURN))
        if orders:
            records = [one.recorded() for one in signed if isinstance(one, _Signed)]
            await self._log.record_issuance(records, [_outcome(node, ordered, signed, at)], at)
        return [_try(one, _Signed.issued) for one in signed]

    def _order(self, admitted: Admitted, signer: Signer, at: datetime) -> Order:
        order = shape(admitted, signer.authority, serial_from(self._entropy(ENTROPY_BYTES)), at)
        lint(order)
        return order

    def _sign(self, order: Order, signer: Signer) -> _Signed:
        body = order.redeem()
        leaf = confirm(order, body, signer.sign(body))
        admitted = order.admitted
        holder, window = _holder(admitted.node, admitted.spiffe_id), admitted.profile.renew
        renew_at = self._promises.renew(holder, order.issued_at, order.not_after, window, order.serial)
        return _Signed(order, leaf, renew_at)


def _holder(node: NodeName, spiffe_id: SpiffeId) -> int:
    # A number in place of the names: an issuer that has promised a hundred thousand renewals keeps them all.
    return hash((node, spiffe_id))


async def _each(values: Sequence[Given | Fault], step: Callable[[Given], Made], a_turn: int) -> list[Made | Fault]:
    """What `step` makes of each value, with a turn of the event loop after every `a_turn` of them."""
    results: list[Made | Fault] = []
    for start in range(0, len(values), a_turn):
        if start:
            await asyncio.sleep(0)
        results.extend([_try(value, step) for value in values[start : start + a_turn]])
    return results


def _try(value: Given | Fault, step: Callable[[Given], Made]) -> Made | Fault:
    """What `step` makes of it. A fault stays one, and a fault of one step spoils no other."""
    if isinstance(value, Fault):  # a union of outcomes is told apart by class
        return value
    try:
        return step(value)
    except Fault as fault:
        return fault


def _unless_unsound(signed: list[_Signed | Fault]) -> list[_Signed | Fault]:
    """The batch, unless its first certificate shows that the key or the machine cannot be relied on: then no one's."""
    first = next((one for one in signed if isinstance(one, _Signed)), None)
    try:
        if first is not None:
            confirm_whole(first.order, first.leaf)
    except Broken as broken:
        return [broken if isinstance(one, _Signed) else one for one in signed]
    return signed


def _intent(node: NodeName, purpose: Purpose, orders: Sequence[Order], at: datetime) -> bytes:
    signings = [events.Signing(one.serial, one.admitted.spiffe_id, one.tbs_sha256) for one in orders]
    return events.x509_intent(node, purpose.value, orders[0].authority.id.hex, signings, at)


def _outcome(
    node: NodeName, ordered: Sequence[Order | Fault], signed: Sequence[_Signed | Fault], at: datetime
) -> bytes:
    issued: list[int] = []
    failed: dict[int, str] = {}
    for order, outcome in zip(ordered, signed, strict=True):
        match order, outcome:
            case Order(), _Signed():
                issued.append(order.serial)
            case Order(), Fault():
                failed[order.serial] = outcome.code
            case _:
                continue
    return events.x509_issued(node, issued, failed, at)

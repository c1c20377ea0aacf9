"""Memory in place of a store, and rights from a table, for the flows that issue.

`MemoryRecords` keeps what it is given in order, refuses a serial it has, and can be told to fail at its n-th write, as
a process that is killed there would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509

from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.fault import Refused, Unavailable
from trustplane.issuance.admit import Right
from trustplane.issuance.authority_shape import issuing_body, root_body
from trustplane.issuance.confirm import confirm, confirm_authority
from trustplane.issuance.record import IssuedCertificate
from trustplane.issuance.shape import Order
from trustplane.keys.authority import AuthorityKey, AuthorityKeys
from trustplane.keys.leaf import LeafKey
from trustplane.keys.sealing import Kek
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState

ACME = TrustDomain("acme.example")
NODE = NodeName("node-a")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
WEB = SpiffeId(ACME, ("ns", "shop", "sa", "web"))


def profile(key: KeyKind = KeyKind.P256, lifetime: timedelta = timedelta(hours=1)) -> Profile:
    return Profile("default", 1, key, lifetime, timedelta(seconds=30), RenewalWindow(0.5, 0.75))


@cache
def leaf_key(kind: KeyKind = KeyKind.P256) -> LeafKey:
    """One key per kind for all tests: RSA keys are slow to make."""
    return LeafKey.generate(kind)


def authority_keys() -> AuthorityKeys:
    return AuthorityKeys(Kek(bytes(32), stretched=False, told_as="a key of zeros"))


class KilledError(Exception):
    """The process died here."""


@dataclass
class MemoryRecords:
    bodies: list[bytes] = field(default_factory=list)
    certificates: dict[int, IssuedCertificate] = field(default_factory=dict)
    known: dict[AuthorityId, Authority] = field(default_factory=dict)
    sealed: dict[AuthorityId, bytes] = field(default_factory=dict)
    leases: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    checkpoints: list[str] = field(default_factory=list)
    writes: int = 0
    dies_at_write: int | None = None
    down: bool = False

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        del at
        self._write()
        self.bodies += bodies
        return len(self.bodies)

    async def record_issuance(
        self, certificates: Sequence[IssuedCertificate], bodies: Sequence[bytes], at: datetime
    ) -> None:
        del at
        self._write()
        for each in certificates:
            if each.serial in self.certificates:
                raise Refused(code="serial-taken", what=f"{each.serial:x}", why="it is in the table", fix="draw again")
        self.certificates |= {each.serial: each for each in certificates}
        self.bodies += bodies

    async def authorities(self) -> Sequence[Authority]:
        return tuple(self.known.values())

    async def put_authority(self, authority: Authority, sealed_key: bytes) -> None:
        self._write()
        self.known[authority.id] = authority
        self.sealed[authority.id] = sealed_key

    async def move_authority(
        self, authority: AuthorityId, from_state: AuthorityState, to_state: AuthorityState, at: datetime
    ) -> bool:
        del at
        self._write()
        if self.known[authority].state is not from_state:
            return False
        self.known[authority] = replace(self.known[authority], state=to_state)
        return True

    async def sealed_key(self, authority: AuthorityId) -> bytes:
        return self.sealed[authority]

    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool:
        self._write()
        held_by, ends = self.leases.get(name, (holder, at))
        if held_by != holder and at < ends:
            return False
        self.leases[name] = (holder, until)
        return True

    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]:
        frontier = Frontier().extend(map(leaf_hash, self.bodies))
        return frontier.size, frontier.hashes

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
        found = self.bodies[start : start + limit]
        return [AuditEntry(start + place, body, leaf_hash(body)) for place, body in enumerate(found)]

    async def put_checkpoint(self, note: str, size: int) -> None:
        del size
        self._write()
        self.checkpoints.append(note)

    async def latest_checkpoint(self) -> str | None:
        return self.checkpoints[-1] if self.checkpoints else None

    def _write(self) -> None:
        if self.down:
            raise Unavailable(code="store-down", what="the store is down", why="a test said so", fix="wait")
        self.writes += 1
        if self.writes == self.dies_at_write:
            raise KilledError(self.writes)


@dataclass
class RightsTable:
    """Who may have what."""

    rights: Mapping[tuple[NodeName, SpiffeId], Right]

    @classmethod
    def of(cls, *spiffe_ids: SpiffeId, shaped_by: Profile | None = None, node: NodeName = NODE) -> RightsTable:
        return cls({(node, each): Right(node, each, shaped_by or profile()) for each in spiffe_ids})

    def right(self, node: NodeName, spiffe_id: SpiffeId) -> Right | None:
        return self.rights.get((node, spiffe_id))


@dataclass(frozen=True)
class MemoryAuthority:
    """A root and an issuing authority below it, with their keys, made as the flow makes them."""

    root: Authority
    issuing: Authority
    key: AuthorityKey

    @classmethod
    def at(
        cls, at: datetime = NOON, lifetime: timedelta = timedelta(days=30), serial: int = 1 << 126
    ) -> MemoryAuthority:
        (root_key, _), (key, _) = authority_keys().make(), authority_keys().make()
        body = root_body(ACME, root_key.public_key, serial, at, timedelta(days=3650))
        certificate = confirm_authority(body.der(), root_key.sign(body.der()), issuer=None)
        root = _authority(AuthorityKind.ROOT, root_key, certificate, None)
        body = issuing_body(root, NODE, key.public_key, serial + 1, at=at, lifetime=lifetime)
        certificate = confirm_authority(body.der(), root_key.sign(body.der()), issuer=root.certificate)
        return cls(root, _authority(AuthorityKind.ISSUING, key, certificate, root.id), key)

    def leaf(self, order: Order) -> bytes:
        body = order.redeem()
        return confirm(order, body, self.key.sign(body))


def _authority(
    kind: AuthorityKind, key: AuthorityKey, certificate: x509.Certificate, parent: AuthorityId | None
) -> Authority:
    return Authority(
        id=key.id,
        kind=kind,
        state=AuthorityState.ACTIVE,
        trust_domain=ACME,
        owner=NODE if parent else None,
        public_key=key.public_key,
        certificate=certificate,
        parent=parent,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )

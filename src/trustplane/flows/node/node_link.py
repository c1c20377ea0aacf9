"""What an agent and a server say to each other, as values and one port.

`Link` is one authenticated connection; `wire.node_client` satisfies it over gRPC. A link that fails raises
`Unavailable` and is dialled again by whoever uses it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trustplane.fault import Fault
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.registry.records import Holding
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import ViewChange
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.verdict.delivery import Parcel

SERVER_NOT_TRUSTED = "server-not-trusted"  # the code of a link to a server that no trusted root vouches for


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The node's own SVID, when to renew it, and the trust bundle it came with."""

    keyed: KeyedSvid
    renew_at: datetime
    bundle_document: bytes


@dataclass(frozen=True, slots=True)
class LeafOrder:
    """`held_until`: the end of what the node holds now; none for nothing. Who holds least is served first."""

    spiffe_id: SpiffeId
    csr: bytes
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeafIssued:
    svid: X509Svid
    renew_at: datetime


@dataclass(frozen=True, slots=True)
class ViewUpdate:
    """A whole view, or a change to the one held; `view_digest` names the result."""

    number: int
    view_digest: str
    whole: NodeView | None
    change: ViewChange | None


@dataclass(frozen=True, slots=True)
class ViewHeld:
    number: int
    view_digest: str


@dataclass(frozen=True, slots=True)
class HoldingsReport:
    """`complete`: participants of this node that no report of this stream named, this one included, are gone."""

    holdings: tuple[Holding, ...]
    gone: tuple[str, ...] = ()
    complete: bool = False


@dataclass(frozen=True, slots=True)
class HostingReport:
    services: frozenset[ServiceName]


Report = ViewHeld | HoldingsReport | HostingReport


class Link(Protocol):
    async def renew_node(self, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        """The new node SVID, when to renew it, and the bundle document."""
        ...

    def follow(self, held_digest: str, reports: AsyncIterator[Report]) -> AsyncGenerator[ViewUpdate, None]: ...

    async def issue(self, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]: ...

    async def probe(self, root_key_id: str, csr: bytes) -> X509Svid:
        """Shows who trusts that root, and nothing else. Refused as `no-root-to-probe` unless it is to take over."""
        ...

    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str: ...

    async def deliver(self, parcel: Parcel) -> int:
        """The highest number of its stream that the server keeps. Refused as `peer-refused` by one of before."""
        ...

    async def deliver_handshakes(self, parcel: HandshakeParcel) -> int:
        """Likewise."""
        ...

"""What one side of a connection itself has: what it presents, whom it trusts, what it demands, how it speaks.

It is what that side's own agent, configuration or files say, so it is known of a side whose log is at hand, and of the
other only when that one was asked too. None says that something is not known, which is not the same as empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from cryptography import x509

from trustplane.handshake.failure import Failure, Side, Tls

Chain = tuple[x509.Certificate, ...]


class Like(Enum):
    """How a name that is demanded is compared, in Envoy's words."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class NameRule:
    like: Like
    value: str

    def takes(self, name: str) -> bool:
        match self.like:
            case Like.EXACT:
                return name == self.value
            case Like.PREFIX:
                return name.startswith(self.value)
            case Like.SUFFIX:
                return name.endswith(self.value)
            case Like.CONTAINS:
                return self.value in name


@dataclass(frozen=True, slots=True)
class Demands:
    """What a verifier asks beside a path to its roots. No `names` means that it takes any; `depth` is the most
    authorities it follows, where it has a limit; `pins` are SHA-256 digests of leaves in hexadecimal."""

    names: tuple[NameRule, ...] = ()
    depth: int | None = None
    pins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Parameters:
    """How a side is told to speak. None is what its build does by itself."""

    oldest: Tls | None = None
    newest: Tls | None = None
    ciphers: frozenset[str] | None = None
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """`chain` is what it presents, leaf first, and empty where it has nothing to present."""

    chain: Chain | None = None
    roots: Chain | None = None
    crls: tuple[x509.CertificateRevocationList, ...] | None = None
    demands: Demands | None = None
    speaks: Parameters | None = None


UNKNOWN: Final = Holding()


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one side has, for each of its addresses where it differs: a server's own ports, a client's destinations."""

    usual: Holding = UNKNOWN
    by_address: dict[str, Holding] = field(default_factory=dict)

    def at(self, address: str) -> Holding:
        """A server that listens on every address is known by its port alone."""
        port = address.rpartition(":")[2]
        return self.by_address.get(address) or self.by_address.get(f":{port}") or self.usual


@dataclass(frozen=True, slots=True)
class Held:
    """What both sides have, as far as it is known."""

    client: Holdings = Holdings()
    server: Holdings = Holdings()

    def of(self, side: Side, failure: Failure) -> Holding:
        """`failure` is either side's record: both name the server's address."""
        address = failure.local if failure.side is Side.SERVER else failure.peer
        return (self.client if side is Side.CLIENT else self.server).at(address)


NOTHING: Final = Held()

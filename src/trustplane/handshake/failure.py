"""One failed handshake, as one side wrote it down.

Everything in it was written by somebody else: a log, a peer. It is cut to a bound when the value is made, names in it
are claims, and whoever shows it must write control characters out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from trustplane.fault import Place

MAX_TEXT = 2048
MAX_FIELD = 512


class Side(Enum):
    """Whose record it is."""

    CLIENT = "client"
    SERVER = "server"


class Implementation(Enum):
    """What wrote the record; texts differ by it."""

    ENVOY = "envoy"
    OPENSSL = "openssl"
    PYTHON = "python"
    CURL = "curl"
    GO = "go"
    JAVA = "java"
    GRPC = "grpc"
    NGINX = "nginx"
    HAPROXY = "haproxy"
    RUSTLS = "rustls"
    LINKERD = "linkerd"
    ISTIO = "istio"
    SPIRE = "spire"
    CONSUL = "consul"


class Tls(Enum):
    V1_2 = "1.2"
    V1_3 = "1.3"


@dataclass(frozen=True, slots=True)
class Claims:
    """What the record says of one end of the connection: never proof of who it is. `issuer_key` is the key that its
    certificate says it was signed with (authority key identifier, hex)."""

    spiffe_id: str = ""
    serial: str = ""
    issuer_serial: str = ""
    not_after: datetime | None = None
    issuer_key: str = ""

    def __post_init__(self) -> None:
        for name in ("spiffe_id", "serial", "issuer_serial", "issuer_key"):
            object.__setattr__(self, name, getattr(self, name)[:MAX_FIELD])


NOBODY = Claims()


@dataclass(frozen=True, slots=True)
class Failure:
    """`local` and `peer` are the addresses of this record's own end and of the other; with both sides at hand, one's
    local is the other's peer. `implementation` is unset where a text came without its origin. `times`: how many
    alike it stands for, itself among them. `writer`: whose proxy wrote it, where a server keeps it; then `node`
    is where it runs, and `bundle` the digest of the roots that it had."""

    text: str
    implementation: Implementation | None = None
    side: Side | None = None
    build: tuple[int, ...] = ()
    tls: Tls | None = None
    at: datetime | None = None
    flags: str = ""
    details: str = ""
    local: str = ""
    peer: str = ""
    theirs: Claims = NOBODY
    ours: Claims = NOBODY
    times: int = 1
    place: Place | None = field(default=None, compare=False)
    writer: str = field(default="", compare=False)
    node: str = field(default="", compare=False)
    bundle: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text[:MAX_TEXT])
        for name in ("flags", "details", "local", "peer"):
            object.__setattr__(self, name, getattr(self, name)[:MAX_FIELD])

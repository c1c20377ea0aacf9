"""What a proxy can be given: named resources of a kind, versioned by their own content.

A resource is JSON for one of Envoy's messages, `@type` included. Its version is the SHA-256 of that content, so equal
versions mean equal content and an acknowledged version says exactly what a proxy runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from trustplane.fault import Broken

Json = Mapping[str, object]
TYPE_PREFIX = "type.googleapis.com/"


class Kind(Enum):
    """In the order in which they are offered: what is referred to comes before what refers to it.

    A cluster that is replaced makes new connections at once; they are to show the leaf that comes with it.
    """

    SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - the name of a message
    CLUSTER = "envoy.config.cluster.v3.Cluster"
    LISTENER = "envoy.config.listener.v3.Listener"
    ROUTE = "envoy.config.route.v3.RouteConfiguration"
    EXTENSION = "envoy.config.core.v3.TypedExtensionConfig"  # a filter's own, taken up and refused by itself

    @property
    def type_url(self) -> str:
        return TYPE_PREFIX + self.value

    @property
    def whole(self) -> bool:
        """Offered as a whole: a proxy drops what is missing. Other kinds end with what refers to them."""
        return self in {Kind.CLUSTER, Kind.LISTENER}


KIND_OF_TYPE_URL: Mapping[str, Kind] = MappingProxyType({kind.type_url: kind for kind in Kind})


def typed(message: str, **fields: object) -> dict[str, object]:
    """The JSON of a `google.protobuf.Any` holding that message."""
    return {"@type": TYPE_PREFIX + message, **fields}


def canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


@dataclass(frozen=True, slots=True)
class Resource:
    """`content` may hold a private key and is not shown. `stands_for` is what an operator knows the content by (a
    bundle's digest); without it the version is reported."""

    kind: Kind
    name: str
    content: Json = field(repr=False, hash=False)
    stands_for: str = ""
    version: str = field(init=False)

    def __post_init__(self) -> None:
        if self.content.get("@type") != self.kind.type_url:
            raise Broken(
                code="xds-resource-mistyped",
                what=f"the resource {self.name} is not a {self.kind.name.lower()}",
                why=f"its @type is {self.content.get('@type')!r}",
                fix="report this with the output of trustplane status",
            )
        object.__setattr__(self, "version", hashlib.sha256(canonical(self.content)).hexdigest())

    @property
    def known_as(self) -> str:
        return self.stands_for or self.version


@dataclass(frozen=True, slots=True)
class Offer:
    """All resources one proxy may have, by kind and name. `wildcard` narrows what an unnamed request gets."""

    resources: tuple[Resource, ...]
    wildcard: frozenset[str] | None = None
    digest: str = field(init=False)
    _by_kind: Mapping[Kind, Mapping[str, Resource]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_kind: dict[Kind, dict[str, Resource]] = {kind: {} for kind in Kind}
        for one in self.resources:
            if by_kind[one.kind].setdefault(one.name, one) is not one:
                raise Broken(
                    code="xds-resource-twice",
                    what=f"two {one.kind.name.lower()}s are named {one.name}",
                    why="a proxy knows a resource by its name",
                    fix="report this with the output of trustplane status",
                )
        object.__setattr__(self, "_by_kind", by_kind)
        object.__setattr__(self, "digest", digest_of(self.resources))

    def of(self, kind: Kind) -> Mapping[str, Resource]:
        return self._by_kind[kind]

    def unnamed(self, kind: Kind) -> frozenset[str]:
        """The names a request without names stands for."""
        names = frozenset(self._by_kind[kind])
        return names if self.wildcard is None else names & self.wildcard

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)


def digest_of(resources: Iterable[Resource]) -> str:
    lines = sorted(f"{one.kind.name} {one.name} {one.version}" for one in resources)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

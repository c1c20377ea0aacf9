"""xDS requests and responses, between Envoy's messages and the conversation's values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, cast

from google.protobuf.message import Message

from trustplane.fault import Refused
from trustplane.wire.descriptors import Descriptors
from trustplane.xds.bootstrap import ADMIN, METADATA
from trustplane.xds.conversation import Dialect, Requested
from trustplane.xds.resources import KIND_OF_TYPE_URL, Kind, Resource
from trustplane.xds.topic import Answer

_DISCOVERY = "envoy.service.discovery.v3."
MAX_NAME_BYTES = 2100  # a SPIFFE ID has at most 2,048
MAX_KEPT = 4096


class _Status(Protocol):
    message: str


class _Value(Protocol):
    string_value: str

    @property
    def struct_value(self) -> _Struct: ...


class _Struct(Protocol):
    fields: Mapping[str, _Value]


class _Number(Protocol):
    major_number: int
    minor_number: int
    patch: int


class _Build(Protocol):
    version: _Number


class _Node(Protocol):
    id: str
    metadata: _Struct
    user_agent_build_version: _Build

    def HasField(self, name: str) -> bool: ...  # noqa: N802 - protobuf's name


class _Request(Protocol):
    """The fields of both request messages that we read."""

    node: _Node
    type_url: str
    response_nonce: str
    version_info: str
    error_detail: _Status
    resource_names: list[str]
    resource_names_subscribe: list[str]
    resource_names_unsubscribe: list[str]
    initial_resource_versions: dict[str, str]

    def HasField(self, name: str) -> bool: ...  # noqa: N802 - protobuf's name


class XdsMessages:
    """Builds resources once per content: a snapshot that changes one secret encodes one secret."""

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._encoded: dict[tuple[Kind, str, str], Message] = {}
        self._requests: Mapping[Dialect, type[Message]] = MappingProxyType(
            {
                Dialect.DELTA: descriptors.message(_DISCOVERY + "DeltaDiscoveryRequest"),
                Dialect.STATE: descriptors.message(_DISCOVERY + "DiscoveryRequest"),
            }
        )
        self._delta_response = descriptors.message(_DISCOVERY + "DeltaDiscoveryResponse")
        self._state_response = descriptors.message(_DISCOVERY + "DiscoveryResponse")

    def request_class(self, dialect: Dialect) -> type[Message]:
        return self._requests[dialect]

    def node_of(self, message: Message) -> str:
        return cast("_Request", message).node.id

    def admin_of(self, message: Message) -> str:
        """Where the proxy says its administration is; empty: it does not say."""
        fields = cast("_Request", message).node.metadata.fields
        own = fields[METADATA].struct_value.fields if METADATA in fields else {}
        return own[ADMIN].string_value if ADMIN in own else ""

    def build_of(self, message: Message) -> tuple[int, int, int] | None:
        """The proxy's major and minor number and its patch; none if it does not say."""
        node = cast("_Request", message).node
        if not node.HasField("user_agent_build_version"):
            return None
        found = node.user_agent_build_version.version
        return found.major_number, found.minor_number, found.patch

    def request(self, message: Message, dialect: Dialect, default_kind: Kind | None) -> Requested:
        """Refused if it is about a type we do not serve."""
        found = cast("_Request", message)
        kind = KIND_OF_TYPE_URL.get(found.type_url) if found.type_url or default_kind is None else default_kind
        if kind is None or (default_kind is not None and kind is not default_kind):
            raise Refused(
                code="xds-type-unknown",
                what=f"resources of type {found.type_url!r:.200} are not served here",
                why="this service offers listeners, routes, clusters and secrets over ADS, and secrets over SDS",
                fix="use the bootstrap that trustplane sidecar --print-bootstrap prints",
            )
        refusal = found.error_detail.message or "refused without a reason" if found.HasField("error_detail") else None
        match dialect:
            case Dialect.DELTA:
                return Requested(
                    kind,
                    found.response_nonce,
                    refusal,
                    _names(found.resource_names_subscribe),
                    _names(found.resource_names_unsubscribe),
                    dict(found.initial_resource_versions),
                )
            case Dialect.STATE:
                names = _names(found.resource_names)
                return Requested(kind, found.response_nonce, refusal, names, version=found.version_info)

    def response(self, answer: Answer, dialect: Dialect) -> Message:
        match dialect:
            case Dialect.DELTA:
                return self._delta_response(
                    type_url=answer.kind.type_url,
                    nonce=answer.nonce,
                    system_version_info=answer.version,
                    resources=[
                        {"name": one.name, "version": one.version, "resource": self.encoded(one)}
                        for one in answer.resources
                    ],
                    removed_resources=answer.removed,
                )
            case Dialect.STATE:
                return self._state_response(
                    type_url=answer.kind.type_url,
                    nonce=answer.nonce,
                    version_info=answer.version,
                    resources=[self.encoded(one) for one in answer.resources],
                )

    def encoded(self, one: Resource) -> Message:
        """Refused if this Envoy would not understand it."""
        key = (one.kind, one.name, one.version)
        if key not in self._encoded:
            message = self._descriptors.any(one.content)
            while len(self._encoded) >= MAX_KEPT:
                del self._encoded[next(iter(self._encoded))]
            self._encoded[key] = message
        return self._encoded[key]


def _names(names: list[str]) -> tuple[str, ...]:
    for name in names:
        if len(name.encode()) > MAX_NAME_BYTES:
            raise Refused(
                code="xds-name-too-long",
                what=f"a resource name of {len(name)} characters was asked for",
                why=f"no name here is longer than {MAX_NAME_BYTES} bytes",
                fix="ask for a SPIFFE ID, a trust domain's ID, default, ROOTCA or ALL",
            )
    return tuple(names)

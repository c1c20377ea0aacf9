"""services/<namespace>/<service>/service.yaml: its keys, defaults and reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from trustplane.fault import Refused
from trustplane.registry.connections import BY_AGE, Connections, WhenTrustChanges
from trustplane.registry.federation_file import foreign_callers, foreign_calls
from trustplane.registry.fields import Fields, duration, each, integer, one_of, text, wrong_type
from trustplane.registry.files import owner, spiffe_id
from trustplane.registry.findings import Findings, shown
from trustplane.registry.model import Call, Operation, Ports, Probe, Service
from trustplane.registry.selector_kinds import selector
from trustplane.registry.yaml_tree import Mapping, Node
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, default_id

T = TypeVar("T")

DATA_CLASSES = frozenset({"payment", "pii"})
MAX_HINT_CHARACTERS = 256
MAX_REQUEST = timedelta(hours=1)

_KEYS = frozenset(
    {
        "owners",
        "selectors",
        "nodes",
        "profile",
        "id",
        "ports",
        "operations",
        "calls",
        "probes",
        "data",
        "longest_request",
        "hint",
        "foreign_callers",
        "foreign_calls",
        "connections",
    }
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a service file may leave out."""

    trust_domain: TrustDomain
    profile: str
    owners: tuple[str, ...]


def service_file(name: ServiceName, tree: Node, defaults: Defaults, findings: Findings) -> Service | None:
    """The service, or none after telling `findings` what is wrong with its file."""

    def listed(read: Callable[[Node], T]) -> Callable[[Node], tuple[T, ...]]:
        return lambda node: each(node, read, findings)

    before = len(findings)
    fields = Fields(tree, _KEYS, findings)
    service = Service(
        name=name,
        spiffe_id=fields.optional("id", spiffe_id, default_id(defaults.trust_domain, name)),
        owners=tuple(sorted(fields.optional("owners", listed(owner), defaults.owners))),
        selectors=frozenset(fields.required("selectors", listed(selector), "[unix:uid:1001]") or ()),
        profile=fields.optional("profile", text, defaults.profile),
        nodes=frozenset(fields.optional("nodes", listed(_node), ())),
        ports=fields.optional("ports", lambda node: _ports(node, findings), None),
        operations=fields.optional("operations", lambda node: _operations(node, findings), ()),
        calls=fields.optional("calls", lambda node: _calls(node, findings), ()),
        probes=tuple(sorted(fields.optional("probes", listed(_probe), ()))),
        data=frozenset(fields.optional("data", listed(one_of(DATA_CLASSES)), ())),
        longest_request=fields.optional("longest_request", _longest_request, timedelta(seconds=15)),
        hint=fields.optional("hint", _hint, ""),
        foreign_callers=fields.optional("foreign_callers", lambda node: foreign_callers(node, findings), ()),
        foreign_calls=fields.optional("foreign_calls", lambda node: foreign_calls(node, findings), ()),
        connections=fields.optional("connections", lambda node: _connections(node, findings), BY_AGE),
    )
    return service if len(findings) == before else None


def _node(node: Node) -> NodeName:
    return NodeName(text(node))


def _ports(node: Node, findings: Findings) -> Ports | None:
    fields = Fields(node, {"app", "mesh"}, findings)
    app = fields.required("app", integer, "20101")
    mesh = fields.required("mesh", integer, "20201")
    return None if app is None or mesh is None else Ports(app, mesh)


def _operations(node: Node, findings: Findings) -> tuple[Operation, ...]:
    if not isinstance(node, Mapping):
        raise wrong_type("a mapping such as charge: POST /charge", node)
    found = []
    for name, (key, request) in node.fields.items():
        with findings.at(key.place):
            found.append(Operation(name, *_request(request)))
    return tuple(sorted(found))


def _probe(node: Node) -> Probe:
    return Probe(*_request(node))


def _request(node: Node) -> tuple[str, str]:
    match text(node).split(" "):
        case [method, path]:
            return method, path
        case _:
            raise wrong_type("a method and a path such as GET /healthz", node)


def _calls(node: Node, findings: Findings) -> tuple[Call, ...]:
    if not isinstance(node, Mapping):
        raise wrong_type("a mapping from each service called to {listen: 20301}", node)
    found = []
    for name, (key, terms) in node.fields.items():
        with findings.at(key.place):
            fields = Fields(terms, {"listen", "operations"}, findings)
            listen = fields.required("listen", integer, "20301")
            operations = fields.optional("operations", lambda one: _named(one, findings), ())
            if listen is not None:
                found.append(Call(service_name(name), listen, operations))
    return tuple(sorted(found))


def _named(node: Node, findings: Findings) -> tuple[str, ...]:
    names = each(node, text, findings)
    if not names:
        raise Refused(
            code="empty-list",
            what="this call names no operations",
            why="an empty list would be read as all of them",
            fix="name the operations, or remove the key to call all of them",
            place=node.place,
        )
    return tuple(sorted(names))


def service_name(name: str) -> ServiceName:
    if name.count("/") != 1:
        raise Refused(
            code="bad-name",
            what=f"{shown(name)} does not name a service",
            why="a service is named with its namespace",
            fix="write for example shop/payments",
        )
    return ServiceName.parse(name)


def _longest_request(node: Node) -> timedelta:
    found = duration(node)
    if found > MAX_REQUEST:
        raise Refused(
            code="bad-duration",
            what=f"a request may take {found}",
            why="proxies drain for as long as the longest request, so it is at most an hour",
            fix="write for example longest_request: 15s",
        )
    return found


def _connections(node: Node, findings: Findings) -> Connections:
    fields = Fields(node, {"longest", "when_trust_changes"}, findings)
    choices = one_of({each.value for each in WhenTrustChanges})
    return Connections(
        longest=fields.optional("longest", _longest_connection, None),
        when_trust_changes=WhenTrustChanges(
            fields.optional("when_trust_changes", choices, BY_AGE.when_trust_changes.value)
        ),
    )


def _longest_connection(node: Node) -> timedelta:
    found = duration(node)
    Connections(found)  # refused here, in its own line
    return found


def _hint(node: Node) -> str:
    found = text(node)
    if len(found) > MAX_HINT_CHARACTERS:
        raise Refused(
            code="bad-hint",
            what=f"the hint has {len(found)} characters",
            why=f"a hint helps a workload choose between its SVIDs; {MAX_HINT_CHARACTERS} characters are enough",
            fix="shorten it",
        )
    return found

"""The Cedar schema of the calls to one service, written from what the services declare.

Each declared operation is an action. Callers are services, in their namespace and in the groups that own them, or
peers: exact identities of other trust domains. `data` are data classes. Header names are declared nowhere, so those a
policy asks for are part of its schema, each optional: strict validation then insists on `has` first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from trustplane.registry.model import DesiredState, Operation, Service

SERVICE, PEER, NAMESPACE, GROUP, DOMAIN, ACTION = "Service", "Peer", "Namespace", "Group", "TrustDomain", "Action"

Json = Mapping[str, object]


def schema(operations: Collection[Operation], headers: Collection[str]) -> dict[str, object]:
    """In Cedar's JSON form."""
    groups: dict[str, object] = {name: {"memberOf": []} for name in methods(operations)}
    actions = {
        one.name: {
            "memberOf": [{"id": _method_group(one.method)}],
            "appliesTo": {
                "principalTypes": [SERVICE, PEER],
                "resourceTypes": [SERVICE],
                "context": _record({"path": _string(), "port": {"type": "Long"}, "headers": _headers(headers)}),
            },
        }
        for one in operations
    }
    return {"": {"entityTypes": _entity_types(), "actions": {**groups, **actions}}}


def methods(operations: Collection[Operation]) -> dict[str, tuple[Operation, ...]]:
    """The action groups `method:GET` and so on, with their members. No operation's name has a colon."""
    names = sorted({one.method for one in operations})
    return {_method_group(name): tuple(sorted(one for one in operations if one.method == name)) for name in names}


def entities(state: DesiredState, service: Service) -> list[dict[str, object]]:
    """Every service with its attributes and parents, and the actions, as Cedar's JSON."""
    return [*actions(service), *members(state)]


def actions(service: Service) -> list[dict[str, object]]:
    found = [_entity(ACTION, name, {}, []) for name in methods(service.operations)]
    found += [_entity(ACTION, one.name, {}, [(ACTION, _method_group(one.method))]) for one in service.operations]
    return found


def members(state: DesiredState) -> list[dict[str, object]]:
    """What does not depend on who is called."""
    return [*_groups(state), *(member(one) for one in state.services.values())]


def surroundings(state: DesiredState, service: Service) -> list[dict[str, object]]:
    """What bears on requests to one service, but for whoever calls."""
    return [*actions(service), *_groups(state), member(service)]


def member(one: Service) -> dict[str, object]:
    parents = [(NAMESPACE, one.name.namespace), *((GROUP, owner) for owner in one.owners)]
    return _entity(SERVICE, str(one.name), {"data": sorted(one.data)}, parents)


def _groups(state: DesiredState) -> list[dict[str, object]]:
    found = [_entity(NAMESPACE, name, {}, [(DOMAIN, str(state.trust_domain))]) for name in state.namespaces]
    groups = {owner for one in state.services.values() for owner in one.owners}
    found += [_entity(GROUP, name, {}, []) for name in sorted(groups)]
    found.append(_entity(DOMAIN, str(state.trust_domain), {}, []))
    return found


def _method_group(method: str) -> str:
    return f"method:{method}"


def _entity(kind: str, name: str, attributes: Json, parents: list[tuple[str, str]]) -> dict[str, object]:
    return {
        "uid": {"type": kind, "id": name},
        "attrs": dict(attributes),
        "parents": [{"type": parent, "id": parent_name} for parent, parent_name in parents],
    }


def _entity_types() -> dict[str, object]:
    data = _record({"data": {"type": "Set", "element": _string()}})
    return {
        SERVICE: {"memberOfTypes": [NAMESPACE, GROUP, DOMAIN], "shape": data},
        PEER: {"memberOfTypes": [DOMAIN]},
        NAMESPACE: {"memberOfTypes": [DOMAIN]},
        GROUP: {},
        DOMAIN: {},
    }


def _headers(names: Collection[str]) -> dict[str, object]:
    values = {"type": "Set", "element": _string(), "required": False}
    return _record(dict.fromkeys(sorted(names), values))


def _record(attributes: Mapping[str, object]) -> dict[str, object]:
    return {"type": "Record", "attributes": dict(attributes)}


def _string() -> dict[str, object]:
    return {"type": "String"}

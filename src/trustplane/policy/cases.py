"""policy_test.yaml: requests with the verdict they must get.

A case names who asks (`as`), what (`request: POST /charge`, or `operation: charge`), headers and port if they matter,
the verdict, and the rule it must come from (`because`). A target that a proxy refuses is denied by no rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trustplane.fault import Place, Refused
from trustplane.policy.operations import declared
from trustplane.policy.question import identity
from trustplane.policy.target import normalised
from trustplane.policy.tree import Headers, Request
from trustplane.registry.fields import Fields, integer, one_of, text, wrong_type
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.yaml_tree import Items, Mapping, Node, Text

_KEYS = frozenset({"name", "as", "request", "operation", "headers", "port", "expect", "because"})


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    request: Request | None  # none: the proxy refuses the target
    allowed: bool
    because: str | None
    place: Place


class CaseFile:
    def __init__(self, state: DesiredState, service: Service, findings: Findings) -> None:
        self._state = state
        self._service = service
        self._findings = findings

    def cases(self, tree: Node) -> tuple[Case, ...]:
        """Those without findings."""
        fields = Fields(tree, {"cases"}, self._findings)
        return fields.required("cases", self.listed, "[{as: shop/web, request: GET /, expect: deny}]") or ()

    def listed(self, node: Node) -> tuple[Case, ...]:
        if not isinstance(node, Items):
            raise wrong_type("a list of cases", node)
        return tuple(self.each(node.items))

    def each(self, items: Iterable[Node]) -> Iterator[Case]:
        for item in items:
            with self._findings.at(item.place):
                before = len(self._findings)
                case = self._case(item)
                if case and len(self._findings) == before:
                    yield case

    def _case(self, node: Node) -> Case | None:
        fields = Fields(node, _KEYS, self._findings)
        caller = fields.required("as", lambda one: identity(self._state, text(one)), "shop/checkout")
        asked = fields.optional("request", self._request, None) or fields.optional("operation", self._operation, None)
        headers = fields.optional("headers", self._headers, ())
        port = fields.optional("port", integer, self._service.ports.mesh if self._service.ports else 0)
        expect = fields.required("expect", one_of({"allow", "deny"}), "deny")
        because = fields.optional("because", text, None)
        if caller is None or expect is None:
            return None
        if asked is None:
            raise Refused(
                code="missing-key",
                what="this case does not say what is asked",
                why="a verdict is about a request",
                fix="write request: POST /charge, or operation: charge",
            )
        method, target = asked
        name = fields.optional("name", text, f"{expect} {self._short(caller.path)} {method} {target}")
        path = _path(target)
        request = None if path is None else Request(caller, method, path, headers, port)
        return Case(name, request, expect == "allow", because, node.place)

    def _short(self, path: tuple[str, ...]) -> str:
        return path[-1] if path else "anyone"

    def _request(self, node: Node) -> tuple[str, str]:
        match text(node).split(" "):
            case [method, target]:
                return method, target
            case _:
                raise wrong_type("a method and a target such as POST /charge", node)

    def _operation(self, node: Node) -> tuple[str, str]:
        found = declared(self._service, node)
        return found.method, found.path.replace("*", "example")

    def _headers(self, node: Node) -> Headers:
        if not isinstance(node, Mapping):
            raise wrong_type("a mapping such as {x-team: payments}", node)
        return tuple((name.lower(), line) for name, (_, value) in node.fields.items() for line in _lines(value))


def as_case(state: DesiredState, request: Request, *, allowed: bool) -> str:
    """One line of policy_test.yaml."""
    caller = next((str(one.name) for one in state.services.values() if one.spiffe_id == request.caller), None)
    headers = ", ".join(f"{name}: {_quoted(value)}" for name, value in request.headers)
    return (
        f"{{as: {caller or _quoted(str(request.caller))}, request: {_quoted(f'{request.method} {request.path}')}, "
        + (f"headers: {{{headers}}}, " if headers else "")
        + f"expect: {'allow' if allowed else 'deny'}}}"
    )


def _quoted(text: str) -> str:
    """As YAML takes it in braces, where commas, colons and brackets mean something."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ./_*-]*", text):
        return text
    return "'" + text.replace("'", "''") + "'"


def _lines(node: Node) -> Iterator[str]:
    """One line of the header, or a list of several."""
    match node:
        case Text(value):
            yield value
        case Items(items):
            for item in items:
                yield from _lines(item)
        case _:
            raise wrong_type("a value or a list of values", node)


def _path(target: str) -> str | None:
    try:
        return normalised(target)
    except Refused:
        return None

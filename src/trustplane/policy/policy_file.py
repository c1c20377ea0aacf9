"""policy.yaml: uses of templates, to the Cedar they stand for.

One use is a mapping (`use`, the template's parameters, and an optional `id` that names its rules); several are a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from trustplane.fault import Place, Refused
from trustplane.policy import literals
from trustplane.policy.callers import Callers
from trustplane.policy.operations import declared
from trustplane.policy.schema import PEER, methods
from trustplane.policy.template import Filling, Kind, Template, expand
from trustplane.registry.fields import Fields, each, nearest, text
from trustplane.registry.findings import Findings, shown
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.yaml_tree import Items, Node
from trustplane.registry.yaml_tree import Mapping as Tree

READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a template and what it stands for."""

    template: Template
    place: Place
    cedar: tuple[str, ...]


class PolicyFile:
    def __init__(
        self, state: DesiredState, service: Service, templates: Mapping[str, Template], findings: Findings
    ) -> None:
        self._state = state
        self._service = service
        self._templates = templates
        self._findings = findings

    def uses(self, tree: Node) -> tuple[Use, ...]:
        """Those without findings."""
        return tuple(self._uses(tree.items if isinstance(tree, Items) else (tree,)))

    def _uses(self, nodes: tuple[Node, ...]) -> Iterator[Use]:
        for node in nodes:
            with self._findings.at(node.place):
                before = len(self._findings)
                use = self._use(node)
                if len(self._findings) == before:
                    yield use

    def _use(self, node: Node) -> Use:
        template = self._template(node)
        fields = Fields(node, {"use", "id", *template.parameters}, self._findings)
        prefix = fields.optional("id", text, template.name)
        values = {
            name: fields.required(name, self._reader(kind), _EXAMPLES[kind]) or ()
            for name, kind in template.parameters.items()
        }
        reads = tuple(name for name in methods(self._service.operations) if name.removeprefix("method:") in READING)
        if "$reads" in template.text and not reads:
            raise Refused(
                code="policy-without-operations",
                what=f"{self._service.name} declares no operation that only reads",
                why=f"{template} lets callers use its GET and HEAD operations",
                fix="declare one in service.yaml, or use caller-may-call@1",
            )
        if any(not values[name] for name in template.parameters):
            return Use(template, node.place, ())  # what is missing has been said
        filling = Filling(values, self._service.name.namespace, reads)
        return Use(template, node.place, expand(template, prefix, filling))

    def _template(self, node: Node) -> Template:
        use = node.fields.get("use") if isinstance(node, Tree) else None
        if use is None:
            raise Refused(
                code="missing-key",
                what="this does not say which template it uses",
                why="policy.yaml uses templates; rules of your own go to policy.cedar",
                fix=f"write use: and one of {', '.join(sorted(self._templates))}",
            )
        name = text(use[1])
        if name not in self._templates:
            raise Refused(
                code="policy-unknown-template",
                what=f"{shown(name)} is no template{nearest(name, self._templates)}",
                why="a template is used by name and version, so that a new version changes nobody's policy by itself",
                fix=f"use one of {', '.join(sorted(self._templates))}",
                place=use[1].place,
            )
        return self._templates[name]

    def _reader(self, kind: Kind) -> Callable[[Node], tuple[str, ...]]:
        item: dict[Kind, Callable[[Node], str]] = {
            Kind.SERVICES: self._caller,
            Kind.PEERS: self._peer,
            Kind.OPERATIONS: self._operation,
            Kind.READS: self._reading_operation,
        }
        if kind is Kind.TEXT:
            return lambda node: (literals.header("x-break-glass", text(node), node.place).value,)
        return lambda node: self._listed(node, item[kind])

    def _listed(self, node: Node, read: Callable[[Node], str]) -> tuple[str, ...]:
        found = each(node, read, self._findings)
        if not found and isinstance(node, Items) and not node.items:
            raise Refused(
                code="empty-list",
                what="this list is empty",
                why="the template would say nothing",
                fix="fill the list, or remove this use of the template",
                place=node.place,
            )
        return found

    def _caller(self, node: Node) -> str:
        return str(Callers(self._state).service(text(node), node.place).name)

    def _peer(self, node: Node) -> str:
        (found,) = Callers(self._state).named(PEER, text(node), node.place).ids
        return str(found)

    def _operation(self, node: Node) -> str:
        return declared(self._service, node).name

    def _reading_operation(self, node: Node) -> str:
        name = self._operation(node)
        operation = next(one for one in self._service.operations if one.name == name)
        if operation.method not in READING:
            raise Refused(
                code="policy-not-a-read",
                what=f"{name} is {operation.method} {operation.path}, which may change something",
                why="this template is for operations that only read",
                fix="use caller-may-call@1 for it",
                place=node.place,
            )
        return name


_EXAMPLES = {
    Kind.SERVICES: "[shop/checkout]",
    Kind.PEERS: "[spiffe://partner.example/ns/shop/sa/web]",
    Kind.OPERATIONS: "[charge]",
    Kind.READS: "[metrics]",
    Kind.TEXT: "INC-1234",
}

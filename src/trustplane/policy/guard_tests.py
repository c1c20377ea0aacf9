"""guardrails_test.yaml: requests to any service, each with the verdict that the guard-rails and its policy must give.

A case is as in policy_test.yaml, and says besides whom it calls (`to: shop/payments`). Every guard-rail is the
`because` of a case that expects deny, or it has no test.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trustplane.fault import Refused
from trustplane.policy.cases import Case, CaseFile
from trustplane.policy.guard_rails import GuardRails
from trustplane.policy.question import service_called
from trustplane.registry.fields import Fields, text, wrong_type
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.yaml_tree import Items, Mapping, Node
from trustplane.spiffe.names import ServiceName


@dataclass
class _Cases:
    state: DesiredState
    findings: Findings
    found: dict[ServiceName, list[Case]] = field(default_factory=dict)

    def read(self, tree: Node) -> None:
        Fields(tree, {"cases"}, self.findings).required("cases", self._listed, "[{to: shop/payments, as: shop/web}]")

    def _listed(self, node: Node) -> None:
        if not isinstance(node, Items):
            raise wrong_type("a list of cases", node)
        for item in node.items:
            with self.findings.at(item.place):
                self._case(item)

    def _case(self, node: Node) -> None:
        if not isinstance(node, Mapping):
            raise wrong_type("a mapping such as {to: shop/payments, as: shop/web, ...}", node)
        if "to" not in node.fields:
            raise Refused(
                code="missing-key",
                what="to is missing",
                why="a guard-rail concerns many services, and a case is a request to one",
                fix="write for example to: shop/payments",
            )
        service = self._service(node.fields["to"][1])
        rest = Mapping({name: one for name, one in node.fields.items() if name != "to"}, node.place)
        cases = CaseFile(self.state, service, self.findings)
        self.found.setdefault(service.name, []).extend(cases.each((rest,)))

    def _service(self, node: Node) -> Service:
        return service_called(self.state, text(node))


def guard_cases(
    tree: Node | None, rails: GuardRails, state: DesiredState, findings: Findings
) -> dict[ServiceName, tuple[Case, ...]]:
    """By the service that is called."""
    cases = _Cases(state, findings)
    if tree is not None:
        cases.read(tree)
    tested = {one.because for some in cases.found.values() for one in some if not one.allowed}
    for name in sorted(set(rails.every) - tested):
        findings.add(
            code="guardrail-without-test",
            what=f"no case of guardrails_test.yaml expects deny because of {name}",
            why="a guard-rail that was never seen to stop a request may stop none",
            fix=f"write a case such as {{to: shop/payments, as: shop/web, operation: charge, expect: deny, "
            f"because: {name}}}",
            place=rails.every[name],
        )
    return {name: tuple(some) for name, some in cases.found.items()}

"""The tests of a trust repository's own templates: each is a use of the template, for one service, and its cases.

What a use stands for is checked as a policy of that service would be, so a template that no service could use is
refused with the place in its own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from trustplane.fault import Place, Refused
from trustplane.policy import profile
from trustplane.policy.own_templates import OwnTemplate
from trustplane.policy.policy_file import PolicyFile
from trustplane.policy.question import service_called
from trustplane.policy.rules import RuleSet
from trustplane.policy.source import policies
from trustplane.registry.fields import Fields, text, wrong_type
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState
from trustplane.registry.yaml_tree import Mapping as Tree
from trustplane.registry.yaml_tree import Node, Text


@dataclass(frozen=True, slots=True)
class TemplateTest:
    """`cases` are not yet read."""

    template: str  # name@version
    rules: RuleSet
    cedar: tuple[str, ...]
    cases: Node
    place: Place


def template_tests(
    templates: Mapping[str, OwnTemplate], state: DesiredState, findings: Findings
) -> Iterator[TemplateTest]:
    """Those without findings."""
    for name, own in templates.items():
        for node in own.tests:
            with findings.at(node.place):
                before = len(findings)
                test = _test(name, own, node, state, findings)
                if test and len(findings) == before:
                    yield test


def _test(name: str, own: OwnTemplate, node: Node, state: DesiredState, findings: Findings) -> TemplateTest | None:
    fields = Fields(node, {"for", "with", "cases"}, findings)
    service = fields.required("for", lambda one: service_called(state, text(one)), "shop/payments")
    values = fields.optional("with", _mapping, Tree({}, node.place))
    cases = fields.required("cases", lambda one: one, "[{as: shop/web, operation: charge, expect: deny}]")
    if service is None or cases is None:
        return None
    use = Tree({**values.fields, "use": (Text("use", node.place), Text(name, node.place))}, values.place)
    cedar = tuple(
        text for each in PolicyFile(state, service, {name: own.template}, findings).uses(use) for text in each.cedar
    )
    inner = Findings()
    sources = tuple(source for one in cedar for source in policies(own.cedar, one, inner))
    rules = profile.rules(sources, state, service, inner)
    _told(inner, findings)
    placed = tuple(replace(rule, place=_in_template(rule.place)) for rule in sorted(rules, key=lambda rule: rule.id))
    return TemplateTest(name, RuleSet(service, placed), cedar, cases, node.place)


def _mapping(node: Node) -> Tree:
    if not isinstance(node, Tree):
        raise wrong_type("a mapping of the template's parameters such as {callers: [shop/web]}", node)
    return node


def _told(inner: Findings, findings: Findings) -> None:
    """Once, although a template is written out for each caller."""
    try:
        inner.refuse_if_any()
    except Refused as refusal:
        for one in dict.fromkeys(replace(each, place=_in_template(each.place)) for each in refusal.findings):
            findings.keep(one)


def _in_template(place: Place | None) -> Place | None:
    """The use puts one line before the template's text."""
    return replace(place, line=max(1, place.line - 1)) if place else None

"""An alert as Prometheus reads it, as far as people and runbooks have to do with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trustplane.fault import Refused
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import Items, Mapping, Node, Text, parse

SEVERITIES: Final = ("page", "ticket", "info")
RUNBOOKS: Final = "https://runbooks.invalid/"  # stands for wherever an operator publishes them


@dataclass(frozen=True, slots=True)
class Alert:
    """`summary` says what, `why` why it matters, `command` what to type first; `runbook` is the name of one."""

    name: str
    severity: str
    expr: str
    held_for: str
    summary: str
    why: str
    command: str
    runbook: str

    def __post_init__(self) -> None:
        said = (self.name, self.expr, self.summary, self.why, self.command, self.runbook)
        if not all(said) or self.severity not in SEVERITIES:
            raise Refused(
                code="bad-alert",
                what=f"the alert {self.name!r:.80} lacks something, or its severity is {self.severity!r:.20}",
                why=f"it has expr, summary, why, type, runbook_url, and a severity of {', '.join(SEVERITIES)}",
                fix="compare it with the others in the file",
            )


def alerts_of(file: str, content: bytes) -> tuple[Alert, ...]:
    """The alerts of a file of rules, in its order; recording rules are passed over."""
    findings = Findings()
    tree = parse(file, content, findings)
    findings.refuse_if_any()
    return tuple(_alert(rule) for group in _items(tree, "groups") for rule in _items(group, "rules") if _is_alert(rule))


def _is_alert(rule: Node) -> bool:
    return bool(_text(rule, "alert"))


def _alert(rule: Node) -> Alert:
    labels, notes = _field(rule, "labels"), _field(rule, "annotations")
    return Alert(
        name=_text(rule, "alert"),
        severity=_text(labels, "severity"),
        expr=_text(rule, "expr"),
        held_for=_text(rule, "for"),
        summary=_text(notes, "summary"),
        why=_text(notes, "why"),
        command=_text(notes, "type"),
        runbook=_text(notes, "runbook_url").removeprefix(RUNBOOKS).removesuffix(".md"),
    )


def _field(node: Node | None, name: str) -> Node | None:
    return node.fields[name][1] if isinstance(node, Mapping) and name in node.fields else None


def _text(node: Node | None, name: str) -> str:
    found = _field(node, name)
    return found.text if isinstance(found, Text) else ""


def _items(node: Node | None, name: str) -> Iterator[Node]:
    found = _field(node, name)
    yield from found.items if isinstance(found, Items) else ()

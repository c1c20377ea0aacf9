"""A runbook: Markdown for whoever is on call, with front matter that links it to causes, signatures and commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trustplane.fault import Place
from trustplane.knowledge.front_matter import parted
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import Items, Mapping, Node, Text, parse

_TEXTS: Final = ("title", "before")
_LISTS: Final = ("causes", "signatures", "commands")
_MAY_LACK: Final = frozenset({"alerts"})
NOT_EXECUTED: Final = "no: "


@dataclass(frozen=True, slots=True)
class Runbook:
    """`before` is what not to do before anything else; `body` is the Markdown below the front matter.

    `alerts` are those that send people here; a runbook without the key has none. `executed` is the file of tests that
    types its commands against the fault it claims to end, or `no: ` and the reason why none does.
    """

    slug: str
    title: str
    before: str
    causes: tuple[str, ...]
    signatures: tuple[str, ...]
    commands: tuple[str, ...]
    alerts: tuple[str, ...]
    executed: str
    body: str

    @property
    def not_executed(self) -> str:
        """Why no test types its commands, if it says so."""
        return self.executed.removeprefix(NOT_EXECUTED) if self.executed.startswith(NOT_EXECUTED) else ""

    @classmethod
    def parse(cls, file: str, content: bytes) -> Runbook:
        """Refuses with every mistake of the front matter at once."""
        front, body = parted(file, content)
        findings = Findings()
        tree = parse(file, front, findings)
        findings.refuse_if_any()
        fields = dict(tree.fields) if isinstance(tree, Mapping) else {}
        for name in fields.keys() - {*_TEXTS, *_LISTS, *_MAY_LACK, "executed"}:
            _wrong(findings, f"{name!r:.60} is no field of a runbook", fields[name][0].place)
        texts = {name: _text(name, fields, file, findings) for name in _TEXTS}
        may_lack = _MAY_LACK & fields.keys()
        lists = {name: _list(name, fields, file, findings) for name in (*_LISTS, *may_lack)}
        executed = _text("executed", fields, file, findings) if "executed" in fields else ""
        findings.refuse_if_any()
        slug = file.rpartition("/")[2].removesuffix(".md")
        return cls(slug, texts["title"], texts["before"], **{"alerts": (), **lists}, executed=executed, body=body)


_Fields = dict[str, tuple[Text, Node]]


def _text(name: str, fields: _Fields, file: str, findings: Findings) -> str:
    node = fields[name][1] if name in fields else None
    if isinstance(node, Text) and node.text:
        return node.text
    _wrong(findings, f"{name} is missing or no text", node.place if node else Place(file, 1))
    return ""


def _list(name: str, fields: _Fields, file: str, findings: Findings) -> tuple[str, ...]:
    node = fields[name][1] if name in fields else None
    if not isinstance(node, Items):
        _wrong(findings, f"{name} is missing or no list", node.place if node else Place(file, 1))
        return ()
    return tuple(one.text for one in node.items if isinstance(one, Text))


def _wrong(findings: Findings, what: str, place: Place) -> None:
    fields = ", ".join((*_TEXTS, *_LISTS))
    findings.add(
        code="bad-runbook",
        what=what,
        why=f"a runbook's front matter has {fields}, each once, and may have alerts and executed",
        fix="start from one that is shipped: trustplane runbook show unknown",
        place=place,
    )

"""A runbook: Markdown for whoever is on call, with front matter that links it to causes, signatures and commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trustplane.fault import Place, Refused
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import Items, Mapping, Node, Text, parse

FENCE: Final = "---"
MAX_BYTES: Final = 64 * 1024
_TEXTS: Final = ("title", "before")
_LISTS: Final = ("causes", "signatures", "commands")
_MAY_LACK: Final = frozenset({"alerts"})


@dataclass(frozen=True, slots=True)
class Runbook:
    """`before` is what not to do before anything else; `body` is the Markdown below the front matter.

    `alerts` are those that send people here; a runbook without the key has none.
    """

    slug: str
    title: str
    before: str
    causes: tuple[str, ...]
    signatures: tuple[str, ...]
    commands: tuple[str, ...]
    alerts: tuple[str, ...]
    body: str

    @classmethod
    def parse(cls, file: str, content: bytes) -> Runbook:
        """Refuses with every mistake of the front matter at once."""
        front, body = _parted(file, content)
        findings = Findings()
        tree = parse(file, front, findings)
        findings.refuse_if_any()
        fields = dict(tree.fields) if isinstance(tree, Mapping) else {}
        for name in fields.keys() - {*_TEXTS, *_LISTS, *_MAY_LACK}:
            _wrong(findings, f"{name!r:.60} is no field of a runbook", fields[name][0].place)
        texts = {name: _text(name, fields, file, findings) for name in _TEXTS}
        may_lack = _MAY_LACK & fields.keys()
        lists = {name: _list(name, fields, file, findings) for name in (*_LISTS, *may_lack)}
        findings.refuse_if_any()
        slug = file.rpartition("/")[2].removesuffix(".md")
        return cls(slug, texts["title"], texts["before"], **{"alerts": (), **lists}, body=body)


def _parted(file: str, content: bytes) -> tuple[bytes, str]:
    try:
        text = content[: MAX_BYTES + 1].decode()
    except UnicodeDecodeError:
        text = ""
    start, fence, rest = text.partition(f"{FENCE}\n")
    front, closing, body = rest.partition(f"\n{FENCE}\n")
    if start or not fence or not closing or len(content) > MAX_BYTES:
        raise Refused(
            code="not-a-runbook",
            what=f"{file} is not a runbook",
            why=f"it begins with front matter between two lines of {FENCE}, and is UTF-8 of at most {MAX_BYTES} bytes",
            fix="start from one that is shipped: trustplane runbook show unknown",
            place=Place(file, 1),
        )
    # Lines count as they do in the file, which begins with the fence.
    return f"\n{front}\n".encode(), body.strip("\n")


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
        why=f"a runbook's front matter has {fields}, each once, and may have alerts",
        fix="start from one that is shipped: trustplane runbook show unknown",
        place=place,
    )

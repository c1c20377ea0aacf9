"""A postmortem: what was misconfigured, exactly; what was seen; what leads to it; what would have prevented it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar
from urllib.parse import urlsplit

from trustplane.fault import Place, Refused
from trustplane.knowledge.front_matter import parted
from trustplane.knowledge.misconfiguration import Misconfiguration, misconfiguration
from trustplane.knowledge.moment import Moment, dated, moment, point
from trustplane.registry.fields import Fields, each, nearest, text, wrong_type
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import Items, Node, parse

LINKS: Final = ("causes", "signatures", "alerts", "runbooks")
KEYS: Final = frozenset(
    {"title", "began", "happened_to", "misconfigured", "detected", "timeline", "prevented_by", "sources", "unlinked"}
    | set(LINKS)
)
SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,20}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Known:
    """What a postmortem may link to."""

    causes: frozenset[str]
    signatures: frozenset[str]
    alerts: frozenset[str]
    runbooks: frozenset[str]

    def names(self, kind: str) -> frozenset[str]:
        return {
            "causes": self.causes,
            "signatures": self.signatures,
            "alerts": self.alerts,
            "runbooks": self.runbooks,
        }[kind]


@dataclass(frozen=True, slots=True)
class Source:
    url: str
    dated: str
    says: str


@dataclass(frozen=True, slots=True)
class Postmortem:
    """`unlinked` gives, for a kind of link that there is none of, the reason why there can be none."""

    slug: str
    title: str
    began: Moment
    happened_to: str
    misconfigured: tuple[Misconfiguration, ...]
    detected: str
    timeline: tuple[Moment, ...]
    causes: tuple[str, ...]
    signatures: tuple[str, ...]
    alerts: tuple[str, ...]
    runbooks: tuple[str, ...]
    prevented_by: tuple[str, ...]
    sources: tuple[Source, ...]
    unlinked: Mapping[str, str]
    body: str
    file: str

    def links(self, kind: str) -> tuple[str, ...]:
        return {
            "causes": self.causes,
            "signatures": self.signatures,
            "alerts": self.alerts,
            "runbooks": self.runbooks,
        }[kind]

    @classmethod
    def parse(cls, file: str, content: bytes, known: Known | None = None) -> Postmortem:
        """Refuses with every mistake at once, each with its line; with `known`, links that lead nowhere too."""
        findings = Findings()
        found = None
        with findings.at(Place(shown(file), 1)):
            front, body = parted(file, content)
            tree = parse(shown(file), front, findings)
            if tree is not None:
                found = _read(file, tree, body, findings, known)
        findings.refuse_if_any()
        if found is None:
            raise _nameless(file)
        return found


def _read(file: str, tree: Node, body: str, findings: Findings, known: Known | None) -> Postmortem | None:
    slug = file.rpartition("/")[2].removesuffix(".md")
    if not SLUG.fullmatch(slug):
        findings.keep(_nameless(file).finding)
    fields = Fields(tree, KEYS, findings)
    title = fields.required("title", text, "Pay refused every caller")
    began = fields.required("began", point, "2026-11-27")
    happened_to = fields.required("happened_to", text, "acme.example")
    detected = fields.required("detected", text, "by a caller's 503 after 9 minutes; no alert fired")
    wrong = _some("misconfigured", fields, _with(misconfiguration, findings), findings)
    timeline = _some("timeline", fields, _with(moment, findings), findings)
    prevented_by = _some("prevented_by", fields, text, findings)
    sources = _some("sources", fields, _with(_source, findings), findings)
    links = {name: fields.optional(name, _links(name, known, findings), ()) for name in LINKS}
    unlinked = fields.optional("unlinked", lambda node: _reasons(node, findings), dict[str, str]())
    _in_order(timeline, tree.place, findings)
    _linked_or_why(links, unlinked, tree.place, findings)
    if title is None or began is None or happened_to is None or detected is None or len(findings):
        return None
    return Postmortem(
        slug=slug,
        title=title,
        began=began,
        happened_to=happened_to,
        misconfigured=wrong,
        detected=detected,
        timeline=timeline,
        prevented_by=prevented_by,
        sources=sources,
        unlinked=unlinked,
        body=body,
        file=file,
        **links,
    )


def _links(kind: str, known: Known | None, findings: Findings) -> Callable[[Node], tuple[str, ...]]:
    there = known.names(kind) if known else None

    def link(node: Node) -> str:
        name = text(node)
        if there is not None and name not in there:
            raise Refused(
                code="dead-link",
                what=f"there is no {kind.removesuffix('s')} {shown(name)!r}{nearest(name, there)}",
                why="a link that leads nowhere misleads whoever follows it at night",
                fix=f"use one that is there: trustplane knowledge search --kind {kind.removesuffix('s')}, with a word",
                place=node.place,
            )
        return name

    return lambda node: each(node, link, findings)


def _with(read: Callable[[Node, Findings], _T | None], findings: Findings) -> Callable[[Node], _T | None]:
    return lambda node: read(node, findings)


def _some(name: str, fields: Fields, read: Callable[[Node], _T | None], findings: Findings) -> tuple[_T, ...]:
    """The items of a list that may not be empty."""

    def items(node: Node) -> tuple[_T, ...]:
        if not isinstance(node, Items) or not node.items:
            raise wrong_type("a list with at least one item", node)
        found = []
        for item in node.items:
            with findings.at(item.place):
                found.append(read(item))
        return tuple(value for value in found if value is not None)

    return fields.required(name, items, "a list") or ()


def _source(node: Node, findings: Findings) -> Source | None:
    fields = Fields(node, {"url", "dated", "says"}, findings)
    url = fields.required("url", _address, "https://git.acme.example/incidents/481")
    on = fields.required("dated", dated, "2026-11-27")
    says = fields.required("says", text, "the time line, and the certificate as it was served")
    return Source(url, on, says) if url and on and says else None


def _address(node: Node) -> str:
    value = text(node)
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.netloc or not value.isascii() or " " in value:
        raise Refused(
            code="bad-source",
            what=f"{shown(value)!r} is no address of a source",
            why="whoever doubts a postmortem must be able to read what it stands on",
            fix="write the address whole, from https://",
            place=node.place,
        )
    return value


def _reasons(node: Node, findings: Findings) -> dict[str, str]:
    fields = Fields(node, set(LINKS), findings)
    given = {name: fields.optional(name, text, "") for name in LINKS}
    return {name: reason for name, reason in given.items() if reason}


def _in_order(timeline: tuple[Moment, ...], place: Place, findings: Findings) -> None:
    for before, after in pairwise(timeline):
        if _is_before(after, before):
            findings.add(
                code="timeline-out-of-order",
                what=f"{shown(after.on)} ({shown(after.event)}) stands after {shown(before.on)}",
                why="a time line is read from top to bottom",
                fix="move it up, or correct its time",
                place=place,
            )


def _is_before(one: Moment, other: Moment) -> bool:
    """A day alone is somewhere in that day."""
    if min(len(one.on), len(other.on)) == len("2026-11-27"):
        return one.on[:10] < other.on[:10]
    return one.at() < other.at()


def _linked_or_why(
    links: Mapping[str, tuple[str, ...]], unlinked: Mapping[str, str], place: Place, findings: Findings
) -> None:
    for name in LINKS:
        if bool(links[name]) == bool(unlinked.get(name)):
            findings.add(
                code="unlinked-postmortem",
                what=f"{name} are named, and unlinked says why there are none"
                if links[name]
                else f"no {name} are named",
                why="a postmortem that nothing leads to is found by nobody who has the same trouble",
                fix=f"name them under {name}, or say under unlinked why there can be none",
                place=place,
            )


def _nameless(file: str) -> Refused:
    return Refused(
        code="bad-postmortem-name",
        what=f"{shown(file)} is no name for a postmortem",
        why="it is linked to and searched for by the name of its file",
        fix="use lower-case words with hyphens, for example 2026-11-pay-leaf-expired.md",
        place=Place(shown(file), 1),
    )

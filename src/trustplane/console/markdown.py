"""The little Markdown that runbooks are written in, as blocks a template can print. What is not known stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPAN = re.compile(r"`([^`\n]+)`|\[([^\]\n]+)\]\(([a-z0-9-]+)\.md\)|\*([^*\n]+)\*")
_HEADING = re.compile(r"(#{1,4}) (.+)")
_NUMBERED = re.compile(r"\d+\. (.*)")


@dataclass(frozen=True, slots=True)
class Span:
    """`kind` is text, code, strong or link; `to` is the runbook a link leads to."""

    kind: str
    text: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` is heading, quote, numbered, bullets, code or text; a list has an item for each point, all else one."""

    kind: str
    items: tuple[tuple[Span, ...], ...]
    level: int = 0


def blocks(markdown: str) -> tuple[Block, ...]:
    found: list[Block] = []
    for kind, level, items in _gathered(markdown.splitlines()):
        plain = kind == "code"
        spans = tuple((Span("text", one),) if plain else tuple(_spans(one)) for one in items)
        found.append(Block(kind, spans, level))
    return tuple(found)


def _gathered(lines: list[str]) -> Iterator[tuple[str, int, list[str]]]:
    kind, items, fenced = "", list[str](), False
    for line in [*lines, ""]:
        if line.startswith("```"):
            if items or fenced:
                yield kind or "code", 0, items
            fenced, kind, items = not fenced, "" if fenced else "code", []
            continue
        if fenced:
            items = ["\n".join([*items, line])]
            continue
        new, text = _read(line)
        if new == kind and kind in {"text", "quote"}:
            items = [f"{items[0]} {text}"]
        elif new == kind and kind in {"numbered", "bullets"}:
            items.append(text)
        elif new == "text" and kind in {"numbered", "bullets"} and line.startswith(" "):
            items[-1] += f" {text}"
        else:
            if items:
                yield kind, _level(kind, items), _bare(kind, items)
            kind, items = (new, [text]) if new else ("", [])


def _read(line: str) -> tuple[str, str]:
    stripped = line.strip()
    if not stripped:
        return "", ""
    if _HEADING.fullmatch(stripped):
        return "heading", stripped
    if stripped.startswith("> "):
        return "quote", stripped[2:]
    if numbered := _NUMBERED.fullmatch(stripped):
        return "numbered", numbered[1]
    if stripped.startswith("- "):
        return "bullets", stripped[2:]
    return "text", stripped


def _level(kind: str, items: list[str]) -> int:
    return len(items[0]) - len(items[0].lstrip("#")) if kind == "heading" else 0


def _bare(kind: str, items: list[str]) -> list[str]:
    return [items[0].lstrip("#").strip()] if kind == "heading" else items


def _spans(text: str) -> Iterator[Span]:
    at = 0
    for found in _SPAN.finditer(text):
        if found.start() > at:
            yield Span("text", text[at : found.start()])
        code, words, to, strong = found.groups()
        yield Span("code", code) if code else Span("link", words, to) if words else Span("strong", strong)
        at = found.end()
    if at < len(text):
        yield Span("text", text[at:])

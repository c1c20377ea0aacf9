"""Every link in the documents leads somewhere: to a file of the tree, and to a heading that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.tree import ROOT, files

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?\)|(?:src|srcset|href)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"[a-z]+:")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`[^`\n]*`")


def _prose(path: Path) -> str:
    return FENCE.sub("", path.read_text())


def _anchors(path: Path) -> set[str]:
    """The fragments GitHub gives to headings: lower case, punctuation dropped, spaces to dashes."""
    headings = re.findall(r"^#+ (.+)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _dead_links(page: Path) -> list[str]:
    dead = []
    for markdown, html in LINK.findall(CODE_SPAN.sub("", _prose(page))):
        link = markdown or html
        if ELSEWHERE.match(link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in files(".md")])
def test_every_link_leads_somewhere(page: Path) -> None:
    assert _dead_links(page) == []


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('# One\n[a](gone.md) [b](#one) [c](#two) `[d](gone.md)` <img src="gone.svg">\n')
    assert _dead_links(page) == ["gone.md", "#two", "gone.svg"]

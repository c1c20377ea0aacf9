from __future__ import annotations

import pytest

from trustplane.console.markdown import Span, blocks
from trustplane.host import knowledge_files


def test_a_runbook_is_headings_steps_and_commands() -> None:
    found = blocks("# A\n\n> first\n> second\n\nText on\ntwo lines.\n\n1. do `this`\n   and that\n2. see [b](b.md)\n")
    assert [(one.kind, len(one.items)) for one in found] == [("heading", 1), ("quote", 1), ("text", 1), ("numbered", 2)]
    assert found[1].items[0] == (Span("text", "first second"),)
    assert found[3].items[0] == (Span("text", "do "), Span("code", "this"), Span("text", " and that"))
    assert found[3].items[1] == (Span("text", "see "), Span("link", "b", "b"))


@pytest.mark.parametrize(
    "hostile", ["[x](javascript:alert(1))", "<b>", "[x](//evil.md)", "```\nopen", "#####", "`", "> "]
)
def test_what_is_not_known_stays_text(hostile: str) -> None:
    spans = [span for block in blocks(hostile) for item in block.items for span in item]
    assert all(one.kind != "link" for one in spans)


def test_nothing_of_the_shipped_runbooks_is_lost() -> None:
    for one in knowledge_files.shipped_runbooks():
        text = "".join(span.text for block in blocks(one.body) for item in block.items for span in item)
        for word in one.body.replace("`", " ").replace("*", "").split():
            bare = word.strip("*#>-[]()`")
            assert bare in text or ".md" in word or bare.rstrip(".").isdigit(), (one.slug, word)

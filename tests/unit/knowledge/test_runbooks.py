"""Runbooks can be read, found, and tell nobody to type what does not exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from trustplane.cli.app import app
from trustplane.fault import Refused
from trustplane.host.runbook_files import own, shipped
from trustplane.knowledge.runbook import MAX_BYTES, Runbook
from trustplane.knowledge.search import search

RUNBOOKS = {one.slug: one for one in shipped()}
COMMAND = re.compile(r"`(trustplane [^`]+)`")
GOOD = b"---\ntitle: T\nbefore: B\ncauses: [a]\nsignatures: [b]\ncommands: [c]\n---\n\n# T\n"


def leads_to_a_command(words: list[str]) -> bool:
    """Whether these words name a command, and every option among them is one of its."""
    found, rest = typer.main.get_command(app), words
    while isinstance(found, TyperGroup) and rest and rest[0] in found.commands:
        found, rest = found.commands[rest[0]], rest[1:]
    known = {option for one in found.params for option in one.opts}
    return not isinstance(found, TyperGroup) and known >= {word for word in rest if word.startswith("--")}


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=lambda one: one.slug)
def test_every_command_of_a_runbook_exists(runbook: Runbook) -> None:
    typed = COMMAND.findall(" ".join(runbook.body.split()))
    assert typed
    for command in typed:
        assert leads_to_a_command(shlex.split(command)[1:]), command
    for named in runbook.commands:
        assert any(command.startswith(named) for command in typed), named


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=lambda one: one.slug)
def test_a_runbook_says_first_what_not_to_do_and_last_when_it_is_over(runbook: Runbook) -> None:
    assert runbook.body.startswith(f"# {runbook.title}\n\n> {runbook.before}\n")
    assert "## It is over when" in runbook.body


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("certificate has expired", "expired-certificate"),
        ("leaf-expired", "expired-certificate"),
        ("envoy-hidden-rejection", "hidden-rejection"),
        ("clock is off", "clocks"),
        ("Go client sends no certificate", "no-client-certificate"),
        ("revoked by mistake", "revocation"),
        ("the bundle is behind", "bundle-behind"),
        ("signed by no root that is held", "unknown-issuer"),
    ],
)
def test_what_one_knows_leads_to_the_runbook(query: str, slug: str) -> None:
    assert search(query, list(RUNBOOKS.values()))[0].runbook.slug == slug


@pytest.mark.parametrize("words", [["no-such"], ["svid"], ["svid", "show", "--no-such"], []])
def test_what_is_no_command_is_noticed(words: list[str]) -> None:
    assert not leads_to_a_command(words)


def test_words_that_no_runbook_has_find_none() -> None:
    assert search("xylophone", list(RUNBOOKS.values())) == []
    assert search("", list(RUNBOOKS.values())) == []


def test_a_runbook_is_read() -> None:
    assert Runbook.parse("dir/some.md", GOOD) == Runbook("some", "T", "B", ("a",), ("b",), ("c",), (), "# T")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"# no front matter\n", "not-a-runbook"),
        (b"---\ntitle: T\n", "not-a-runbook"),
        (b"\xff\xfe", "not-a-runbook"),
        (GOOD + b"x" * MAX_BYTES, "not-a-runbook"),
        (GOOD.replace(b"title: T\n", b""), "bad-runbook"),
        (GOOD.replace(b"causes: [a]", b"causes: a"), "bad-runbook"),
        (GOOD.replace(b"before: B", b"before: B\nafter: C"), "bad-runbook"),
    ],
)
def test_what_is_no_runbook_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        Runbook.parse("some.md", content)
    assert refusal.value.code == code
    assert refusal.value.finding.place is not None


def test_runbooks_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_bytes(GOOD)
    assert [one.slug for one in own(tmp_path)] == ["mine"]
    with pytest.raises(Refused, match="not-a-directory"):
        own(tmp_path / "nowhere")

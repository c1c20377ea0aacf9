"""Runbooks can be read, found, and tell nobody to type what does not exist."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer

from tests.kit.tree import ROOT
from trustplane.cli.app import app
from trustplane.cli.knowledge import commands_below
from trustplane.fault import Refused
from trustplane.host.knowledge_files import runbooks, shipped_runbooks
from trustplane.knowledge.front_matter import MAX_BYTES
from trustplane.knowledge.gaps import commands
from trustplane.knowledge.runbook import Runbook

RUNBOOKS = {one.slug: one for one in shipped_runbooks()}
GOOD = b"---\ntitle: T\nbefore: B\ncauses: [a]\nsignatures: [b]\ncommands: [c]\n---\n\n# T\n"

leads_to_a_command = commands_below(typer.main.get_command(app))


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=lambda one: one.slug)
def test_every_command_of_a_runbook_exists(runbook: Runbook) -> None:
    typed = commands(runbook)
    assert typed
    for command in typed:
        assert leads_to_a_command(shlex.split(command)[1:]), command
    for named in runbook.commands:
        assert any(command.startswith(named) for command in typed), named


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=lambda one: one.slug)
def test_a_runbook_says_first_what_not_to_do_and_last_when_it_is_over(runbook: Runbook) -> None:
    assert runbook.body.startswith(f"# {runbook.title}\n\n> {runbook.before}\n")
    assert "## It is over when" in runbook.body


@pytest.mark.parametrize("runbook", RUNBOOKS.values(), ids=lambda one: one.slug)
def test_a_runbook_says_which_test_executes_it_or_why_none_does(runbook: Runbook) -> None:
    if runbook.not_executed:
        assert len(runbook.not_executed.split()) > 4
    else:
        test = ROOT / runbook.executed
        assert test.is_file(), runbook.executed
        assert f'"{runbook.slug}"' in test.read_text(), f"{runbook.executed} does not name it"


@pytest.mark.parametrize("words", [["no-such"], ["svid"], ["svid", "show", "--no-such"], []])
def test_what_is_no_command_is_noticed(words: list[str]) -> None:
    assert not leads_to_a_command(words)


def test_a_runbook_is_read() -> None:
    assert Runbook.parse("dir/some.md", GOOD) == Runbook("some", "T", "B", ("a",), ("b",), ("c",), (), "", "# T")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"# no front matter\n", "no-front-matter"),
        (b"---\ntitle: T\n", "no-front-matter"),
        (b"\xff\xfe", "no-front-matter"),
        (GOOD + b"x" * MAX_BYTES, "no-front-matter"),
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
    assert [one.slug for one in runbooks(tmp_path)] == ["mine"]
    with pytest.raises(Refused, match="not-a-directory"):
        runbooks(tmp_path / "nowhere")

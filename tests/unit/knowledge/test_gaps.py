"""Every kind of gap is found when it is made, and what came along has none that is open."""

from __future__ import annotations

from dataclasses import replace

import pytest
import typer

from trustplane.cli.app import app
from trustplane.cli.knowledge import commands_below
from trustplane.knowledge.gaps import KINDS, gaps
from trustplane.knowledge.library import Library
from trustplane.knowledge.runbook import Runbook
from trustplane.main.known import came_along

LIBRARY = came_along()
EXISTS = commands_below(typer.main.get_command(app))


def test_nothing_that_came_along_is_a_gap_without_a_reason() -> None:
    found = [one for one in gaps(LIBRARY, EXISTS) if not one.accepted]
    assert found == []


def _runbook(library: Library, **changes: object) -> Library:
    first = replace(library.runbooks[0], **changes)  # type: ignore[arg-type] # fields of a runbook
    return replace(library, runbooks=(first, *library.runbooks[1:]))


def _postmortem(library: Library, **changes: object) -> Library:
    first = replace(library.postmortems[0], **changes)  # type: ignore[arg-type] # fields of a postmortem
    return replace(library, postmortems=(first, *library.postmortems[1:]))


MADE = {
    "signature-without-runbook": replace(
        LIBRARY, runbooks=tuple(replace(one, signatures=()) for one in LIBRARY.runbooks)
    ),
    "cause-without-runbook": replace(LIBRARY, runbooks=tuple(replace(one, causes=()) for one in LIBRARY.runbooks)),
    "alert-without-runbook": replace(LIBRARY, runbooks=tuple(replace(one, alerts=()) for one in LIBRARY.runbooks)),
    "alert-without-proof": replace(LIBRARY, proved=frozenset()),
    "postmortem-without-signature": _postmortem(LIBRARY, signatures=()),
    "postmortem-without-alert": _postmortem(LIBRARY, alerts=()),
    "postmortem-without-runbook": _postmortem(LIBRARY, runbooks=()),
    "runbook-never-executed": _runbook(LIBRARY, executed=""),
    "no-such-command": _runbook(LIBRARY, body="1. `trustplane explain --no-such`"),
    "dead-link": _runbook(LIBRARY, body="go on with [nowhere](nowhere.md)"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_gap_that_is_made_is_found(kind: str) -> None:
    found = [one for one in gaps(MADE[kind], EXISTS) if not one.accepted]
    assert kind in {one.kind for one in found}


def test_a_reason_makes_a_gap_an_accepted_one() -> None:
    given = _runbook(LIBRARY, executed="no: it takes a second organisation")
    slug = given.runbooks[0].slug
    found = [one for one in gaps(given, EXISTS) if (one.kind, one.name) == ("runbook-never-executed", slug)]
    assert [one.accepted for one in found] == ["it takes a second organisation"]


@pytest.mark.parametrize("command", ["trustplane", "trustplane 'open", "openssl x509", "trustplane svid nothing"])
def test_what_nobody_can_type_is_no_command(command: str) -> None:
    made = Runbook("r", "T", "B", (), (), (), (), "no: it is made up here", f"`{command}` `trustplane status`")
    found = gaps(replace(LIBRARY, runbooks=(*LIBRARY.runbooks, replace(made, commands=(command,)))), EXISTS)
    assert ("no-such-command", "runbook r") in {(one.kind, one.name) for one in found}

"""What the command line knows: all that came along, and what a trust repository of the operator's adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.output import WrongInput, note, say, say_json, table
from trustplane.flows.records.gather_knowledge import gathered
from trustplane.host import alert_files, knowledge_files
from trustplane.knowledge.library import Library
from trustplane.knowledge.search import KINDS

MOST_HITS = 10
_T = TypeVar("_T")

Repository = Annotated[
    Path | None,
    typer.Option("--repository", metavar="DIR", help="A trust repository: its runbooks/ and postmortems/ count too."),
]
Words = Annotated[list[str], typer.Argument(metavar="WORDS...", help="What is known of the trouble.")]


def library(repository: Path | None) -> Library:
    """One's own come first: what they say is meant for here."""
    with as_input():
        shipped = alert_files.shipped()
        return gathered(
            (*_own(repository, "runbooks", knowledge_files.runbooks), *knowledge_files.shipped_runbooks()),
            shipped.alerts,
            (*_own(repository, "postmortems", knowledge_files.postmortems), *knowledge_files.shipped_postmortems()),
            shipped.proved,
        )


def show_hits(known: Library, words: Sequence[str], kinds: Sequence[str], *, as_json: bool) -> None:
    hits = known.index().search(" ".join(words), kinds)
    if as_json:
        say_json(
            [
                {
                    "kind": one.entry.kind,
                    "name": one.entry.name,
                    "title": one.entry.title,
                    "runbook": one.entry.page,
                    "score": one.score,
                    "line": one.line,
                }
                for one in hits
            ]
        )
    elif hits:
        rows = [(one.entry.kind, one.entry.name, f"{one.score:.2f}", f"{one.line:.90}") for one in hits[:MOST_HITS]]
        more = f"\nand {len(hits) - MOST_HITS} more: --json" if len(hits) > MOST_HITS else ""
        say(table(("KIND", "NAME", "SCORE", "LINE"), rows) + more)
    else:
        note("nothing that is known has any of these words")


def kinds_of(named: Sequence[str]) -> Sequence[str]:
    for one in named:
        if one not in KINDS:
            raise WrongInput(
                code="no-such-kind",
                what=f"{one!r:.60} is no kind of knowledge",
                why=f"there are {', '.join(KINDS)}",
                fix=f"write for example --kind {KINDS[0]}",
            )
    return tuple(named) or KINDS


def _own(repository: Path | None, folder: str, read: Callable[[Path], tuple[_T, ...]]) -> tuple[_T, ...]:
    """A repository need not have the folder."""
    if repository is None or (repository.is_dir() and not (repository / folder).exists()):
        return ()
    return read(repository / folder)

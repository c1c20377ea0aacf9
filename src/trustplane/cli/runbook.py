"""`trustplane runbook`: what to do, by name or by what one knows of the trouble."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.knowledge_sources import Words, library, show_hits
from trustplane.cli.output import WrongInput, say, say_json
from trustplane.cli.sockets import AsJson
from trustplane.flows.records.gather_knowledge import gathered
from trustplane.host import knowledge_files
from trustplane.knowledge.runbook import Runbook

SHOW_EXAMPLES = """\b
Examples:
  trustplane runbook show unknown-issuer
  trustplane runbook show leaf-expired           a cause, or a signature
  trustplane runbook show TrustplaneLeavesLost   an alert
"""
SEARCH_EXAMPLES = """\b
Examples:
  trustplane runbook search certificate expired
  trustplane runbook search envoy-hidden-rejection
"""

group = typer.Typer(name="runbook", help="What to do: find a runbook and read it.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A runbook, a cause, a signature or an alert.")]
Directory = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="Runbooks of your own, besides those that came along.")
]


@group.command(epilog=SHOW_EXAMPLES)
def show(name: Name, directory: Directory = None, *, as_json: AsJson = False) -> None:
    """Show a runbook. A cause, a signature or an alert leads to its own."""
    runbooks = _all(directory)
    found = next((one for one in runbooks if one.slug == name), None) or next(
        (one for one in runbooks if name in (*one.causes, *one.signatures, *one.alerts)), None
    )
    if found is None:
        known = [known for one in runbooks for known in (one.slug, *one.causes, *one.signatures, *one.alerts)]
        near = get_close_matches(name[:100], known, n=1)
        raise WrongInput(
            code="no-such-runbook",
            what=f"there is no runbook {name!r:.100}",
            why="it is neither a runbook, nor a cause, a signature or an alert that one names",
            fix=f"trustplane runbook show {near[0]}" if near else "trustplane runbook search, with a word or two",
        )
    if as_json:
        say_json(found)
    else:
        say(found.body)


@group.command(epilog=SEARCH_EXAMPLES)
def search(words: Words, directory: Directory = None, *, as_json: AsJson = False) -> None:
    """Search all runbooks, the best first. `knowledge search` searches all else too."""
    known = library(None) if directory is None else gathered(_all(directory), (), (), ())
    show_hits(known, words, ("runbook",), as_json=as_json)


def _all(directory: Path | None) -> tuple[Runbook, ...]:
    """One's own come first: what they say of a cause is meant for here."""
    with as_input():
        own = knowledge_files.runbooks(directory) if directory else ()
        return (*own, *knowledge_files.shipped_runbooks())

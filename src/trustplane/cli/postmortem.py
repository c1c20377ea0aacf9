"""`trustplane postmortem`: what has happened, exactly what was misconfigured, and what would have prevented it."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.knowledge_sources import Repository, Words, library, show_hits
from trustplane.cli.output import WrongInput, fields, say, say_json, table
from trustplane.cli.sockets import AsJson
from trustplane.host import knowledge_files
from trustplane.host.clock import SystemClock
from trustplane.knowledge.new_postmortem import begun
from trustplane.knowledge.postmortem import SLUG, Postmortem

NEW_EXAMPLES = """\b
Examples:
  trustplane postmortem new 2026-11-pay-expired --signature envoy-leaf-expired --dir trust/postmortems
"""
LIST_EXAMPLES = """\b
Examples:
  trustplane postmortem list
  trustplane postmortem list --repository ./trust --json
"""
SHOW_EXAMPLES = """\b
Examples:
  trustplane postmortem show istio-root-one-year
"""
CHECK_EXAMPLES = """\b
Examples:
  trustplane postmortem check trust/postmortems
"""
SEARCH_EXAMPLES = """\b
Examples:
  trustplane postmortem search issuing authority expired
"""

group = typer.Typer(
    name="postmortem", help="What has happened, and what exactly was misconfigured.", no_args_is_help=True
)

Slug = Annotated[str, typer.Argument(metavar="NAME", help="Its name: lower-case words with hyphens.")]
Into = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where to: postmortems/ of the trust repository.")]
Signature = Annotated[
    str | None, typer.Option(metavar="ID", help="What it was recognised by; fills in cause, runbook and alerts.")
]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="postmortems/ of a trust repository.")]


@group.command(epilog=NEW_EXAMPLES)
def new(name: Slug, into: Into = Path("postmortems"), signature: Signature = None, *, as_json: AsJson = False) -> None:
    """Begin one: a file with everything that `check` will ask for."""
    if not SLUG.fullmatch(name):
        raise WrongInput(
            code="bad-postmortem-name",
            what=f"{name!r:.100} is no name for a postmortem",
            why="it is linked to and searched for by the name of its file",
            fix="use lower-case words with hyphens, for example 2026-11-pay-leaf-expired",
        )
    path = into / f"{name}.md"
    with as_input():
        text = begun(library(None), f"{SystemClock().now():%Y-%m-%d}", signature)
        knowledge_files.write_new(path, text)
    if as_json:
        say_json({"file": str(path)})
    else:
        say(f"{path}\n\nFill it in, then   trustplane postmortem check {into}")


@group.command("list", epilog=LIST_EXAMPLES)
def show_all(repository: Repository = None, *, as_json: AsJson = False) -> None:
    """List them, the latest first: when, to whom, and which field was wrong."""
    found = sorted(library(repository).postmortems, key=lambda one: one.began.at(), reverse=True)
    if as_json:
        say_json(found)
        return
    rows = [
        (
            one.began.on[:10],
            one.slug,
            one.happened_to,
            ", ".join(f"{wrong.of} {wrong.field}" for wrong in one.misconfigured),
        )
        for one in found
    ]
    say(table(("BEGAN", "NAME", "HAPPENED TO", "MISCONFIGURED"), rows))


@group.command(epilog=SHOW_EXAMPLES)
def show(name: Slug, repository: Repository = None, *, as_json: AsJson = False) -> None:
    """Show one: what was wrong, the time line, what leads to it, where it is told."""
    known = library(repository).postmortems
    found = next((one for one in known if one.slug == name), None)
    if found is None:
        near = get_close_matches(name[:100], [one.slug for one in known], n=1)
        raise WrongInput(
            code="no-such-postmortem",
            what=f"there is no postmortem {name!r:.100}",
            why="neither those that came along nor those of --repository have it",
            fix=f"trustplane postmortem show {near[0]}" if near else "trustplane postmortem list",
        )
    if as_json:
        say_json(found)
    else:
        say(_text(found))


@group.command(epilog=CHECK_EXAMPLES)
def check(directory: Directory, *, as_json: AsJson = False) -> None:
    """Check all of a directory: everything that is wrong at once, with file and line, dead links among it."""
    known = library(None).known()
    with as_input():
        found = knowledge_files.postmortems(directory, known)
    if as_json:
        say_json({"postmortems": [one.slug for one in found]})
    else:
        say(f"ok: {len(found)} postmortems")


@group.command(epilog=SEARCH_EXAMPLES)
def search(words: Words, repository: Repository = None, *, as_json: AsJson = False) -> None:
    """Search them, the best first. `knowledge search` searches all else too."""
    show_hits(library(repository), words, ("postmortem",), as_json=as_json)


def _text(one: Postmortem) -> str:
    wrong = [
        f"{at.of} {at.field}   {at.which}\n  was       {at.was}\n  should    {at.should}" for at in one.misconfigured
    ]
    width = max(len(at.on) for at in one.timeline)
    head = fields(
        [
            ("began", one.began.on),
            ("happened to", one.happened_to),
            ("detected", one.detected),
            ("causes", ", ".join(one.causes)),
            ("signatures", ", ".join(one.signatures)),
            ("alerts", ", ".join(one.alerts)),
            ("runbooks", ", ".join(one.runbooks)),
        ]
    )
    parts = [
        one.title,
        head,
        "Misconfigured\n" + "\n".join(wrong),
        "Time line\n" + "\n".join(f"  {at.on.ljust(width)}  {at.event}" for at in one.timeline),
        "Would have prevented it\n" + "\n".join(f"  - {each}" for each in one.prevented_by),
        one.body,
        "Sources\n" + "\n".join(f"  {source.url} ({source.dated}): {source.says}" for source in one.sources),
    ]
    return "\n\n".join(part for part in parts if part)

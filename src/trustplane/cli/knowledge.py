"""`trustplane knowledge`: one search over all that is known about trouble, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.core import TyperGroup

from trustplane.cli.knowledge_sources import Repository, Words, kinds_of, library, show_hits
from trustplane.cli.output import Exit, fields, say, say_json, table
from trustplane.cli.sockets import AsJson
from trustplane.knowledge.gaps import KINDS, Exists, Gap, gaps

SEARCH_EXAMPLES = """\b
Examples:
  trustplane knowledge search upstream connect error certificate expired
  trustplane knowledge search root rotated too early --kind postmortem
"""
GAPS_EXAMPLES = """\b
Examples:
  trustplane knowledge gaps
  trustplane knowledge gaps --repository ./trust --json     ends with 1 while there are gaps
"""

group = typer.Typer(name="knowledge", help="What is known about trouble, and what is not.", no_args_is_help=True)

Kind = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only these: runbook, alert, cause, signature, postmortem."),
]
_MEANINGS: Final = {
    "signature-without-runbook": "signatures that no runbook names",
    "cause-without-runbook": "causes that no runbook names",
    "alert-without-runbook": "alerts that no runbook names",
    "alert-without-proof": "alerts never seen to fire on what they are for",
    "postmortem-without-signature": "postmortems that no signature leads to",
    "postmortem-without-alert": "postmortems that no alert would have told of",
    "postmortem-without-runbook": "postmortems that no runbook would have ended",
    "runbook-never-executed": "runbooks whose commands no test types",
    "no-such-command": "commands that do not exist",
    "dead-link": "links that lead nowhere",
}


@group.command(epilog=SEARCH_EXAMPLES)
def search(words: Words, kind: Kind = None, repository: Repository = None, *, as_json: AsJson = False) -> None:
    """Search runbooks, alerts, causes, signatures and postmortems at once, the best first."""
    show_hits(library(repository), words, kinds_of(kind or ()), as_json=as_json)


@group.command("gaps", epilog=GAPS_EXAMPLES)
def show_gaps(context: typer.Context, repository: Repository = None, *, as_json: AsJson = False) -> None:
    """List what leads nowhere, was never proved or never executed. Ends with 1 unless every gap has a reason."""
    found = gaps(library(repository), commands_below(context.find_root().command))
    if as_json:
        say_json(found)
    else:
        say(_text(found))
    if any(not one.accepted for one in found):
        raise typer.Exit(Exit.FAILED)


def commands_below(root: object) -> Exists:
    """Whether words name a command of the program, with options that it has."""

    def exists(words: Sequence[str]) -> bool:
        found, rest = root, list(words)
        while isinstance(found, TyperGroup) and rest and rest[0] in found.commands:
            found, rest = found.commands[rest[0]], rest[1:]
        known = {option for one in getattr(found, "params", ()) for option in one.opts}
        return not isinstance(found, TyperGroup) and known >= {word for word in rest if word.startswith("--")}

    return exists


def _text(found: Sequence[Gap]) -> str:
    open_, accepted = Counter[str](), Counter[str]()
    for one in found:
        (accepted if one.accepted else open_)[one.kind] += 1
    counts = [(kind, str(open_[kind]), str(accepted[kind]), _MEANINGS[kind]) for kind in KINDS]
    parts = [table(("KIND", "OPEN", "ACCEPTED", "WHAT"), counts)]
    for one in found:
        pairs = [("what", one.what), ("reason", one.accepted), ("fix", "" if one.accepted else one.fix)]
        parts.append(f"{one.kind} {one.name}\n{fields((f'  {name}', value) for name, value in pairs)}")
    total = open_.total()
    parts.append(f"{total} gaps are open" if total else f"no gap is open; {accepted.total()} are left for a reason")
    return "\n\n".join(parts)

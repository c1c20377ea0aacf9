"""What is not known: signatures that lead nowhere, alerts nobody proved, runbooks nobody executed, dead commands.

A gap that somebody has looked at and given a reason for is *accepted*: it is shown and counted, and is no failure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trustplane.knowledge.library import Library
from trustplane.knowledge.postmortem import LINKS, Postmortem
from trustplane.knowledge.runbook import Runbook

KINDS: Final = (
    "signature-without-runbook",
    "cause-without-runbook",
    "alert-without-runbook",
    "alert-without-proof",
    "postmortem-without-signature",
    "postmortem-without-alert",
    "postmortem-without-runbook",
    "runbook-never-executed",
    "no-such-command",
    "dead-link",
)
COMMAND: Final = re.compile(r"`(trustplane [^`]+)`")
_PAGE: Final = re.compile(r"\]\(([a-z0-9-]+)\.md\)")

# Whether these words, after `trustplane`, name a command and only options that it has.
Exists = Callable[[Sequence[str]], bool]


@dataclass(frozen=True, slots=True)
class Gap:
    """`accepted` is the reason why it is left, where there is one."""

    kind: str
    name: str
    what: str
    fix: str
    accepted: str = ""


def gaps(library: Library, exists: Exists) -> tuple[Gap, ...]:
    """In the order of `KINDS`, then by name."""
    found = {gap for part in (_signs, _reasons, _alerts, _postmortems) for gap in part(library)}
    found |= {gap for part in (_runbooks, _commands) for gap in part(library, exists)}
    return tuple(sorted(found, key=lambda gap: (KINDS.index(gap.kind), gap.name, gap.what)))


def commands(runbook: Runbook) -> tuple[str, ...]:
    """What its body tells people to type, in order, each once."""
    return tuple(dict.fromkeys(COMMAND.findall(" ".join(runbook.body.split()))))


def _signs(library: Library) -> Iterator[Gap]:
    named = {sign: one.slug for one in library.runbooks for sign in one.signatures}
    for sign in library.signs:
        if named.get(sign.id) is None:
            yield Gap(
                "signature-without-runbook",
                sign.id,
                f"no runbook names the signature {sign.id}",
                f"name it under signatures of the runbook {sign.runbook}",
            )


def _reasons(library: Library) -> Iterator[Gap]:
    named = {cause for one in library.runbooks for cause in one.causes}
    for reason in library.reasons:
        if reason.id not in named:
            what = f"no runbook names the cause {reason.id}"
            yield Gap("cause-without-runbook", reason.id, what, f"name it under causes of the runbook {reason.runbook}")


def _alerts(library: Library) -> Iterator[Gap]:
    slugs = {one.slug: one for one in library.runbooks}
    for alert in library.alerts:
        runbook = slugs.get(alert.runbook)
        if runbook is None or alert.name not in runbook.alerts:
            what = f"{alert.name} leads to {alert.runbook}, " + (
                "which does not name it" if runbook else "which is none"
            )
            yield Gap("alert-without-runbook", alert.name, what, "name it under alerts of its runbook")
        if alert.name not in library.proved:
            what = f"{alert.name} was never seen to fire on what it is for"
            yield Gap(
                "alert-without-proof", alert.name, what, "record a fleet on which it fires: scripts/prove_alerts.py"
            )


def _postmortems(library: Library) -> Iterator[Gap]:
    known = library.known()
    for one in library.postmortems:
        for link in LINKS:
            yield from (
                Gap("dead-link", one.slug, f"it links to {name}, which is none of the {link}", f"correct {link}")
                for name in one.links(link)
                if name not in known.names(link)
            )
        yield from _unlinked(one)


def _unlinked(one: Postmortem) -> Iterator[Gap]:
    for link in ("signatures", "alerts", "runbooks"):
        if not one.links(link):
            singular = link.removesuffix("s")
            what = f"nothing in the catalogue of {link} would lead to it"
            fix = f"add the {singular} that it shows, and name it under {link}"
            yield Gap(f"postmortem-without-{singular}", one.slug, what, fix, one.unlinked.get(link, ""))


def _runbooks(library: Library, _: Exists) -> Iterator[Gap]:
    slugs = {one.slug for one in library.runbooks}
    for one in library.runbooks:
        if not one.executed or one.not_executed:
            fix = "type its commands in a test against the fault it ends, and name the test under executed"
            yield Gap("runbook-never-executed", one.slug, "no test types its commands", fix, one.not_executed)
        for page in dict.fromkeys(_PAGE.findall(one.body)):
            if page not in slugs:
                yield Gap("dead-link", one.slug, f"it leads to {page}, which is no runbook", "correct the link")


def _commands(library: Library, exists: Exists) -> Iterator[Gap]:
    said = [
        *((f"runbook {one.slug}", command) for one in library.runbooks for command in (*commands(one), *one.commands)),
        *((f"cause {one.id}", one.command) for one in library.reasons),
        *((f"alert {one.name}", one.command) for one in library.alerts),
    ]
    for where, command in said:
        if not _is_there(command, exists):
            yield Gap("no-such-command", where, f"it says {command}, which is no command", "correct the command")


def _is_there(command: str, exists: Exists) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation that is not closed
        return False
    return words[:1] == ["trustplane"] and exists(words[1:])

"""`trustplane policy diff A B`: what B allows that A does not, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import observed
from trustplane.cli.observed import Live, Since
from trustplane.cli.output import Exit, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.policy.book import Book
from trustplane.policy.cases import Case, CaseFile
from trustplane.policy.comparison import Change, caller_names, compare
from trustplane.policy.rules import offered
from trustplane.policy.tree import holds
from trustplane.registry.findings import Findings
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.live import Traffic

EXAMPLES = """\b
Examples:
  trustplane policy diff main/trust/ trust/
  trustplane policy diff main/trust/ trust/ --json
  trustplane policy diff main/trust/ trust/ --live --since 30d    with the requests there were in each
"""
MOST_CALLERS = 10

Before = Annotated[Path, typer.Argument(metavar="A", help="The trust repository as it was.")]
After = Annotated[Path, typer.Argument(metavar="B", help="The trust repository as it would be.")]


def command(
    before: Before,
    after: After,
    server_socket: ServerSocket,
    since: Since = "7d",
    *,
    live: Live = False,
    as_json: AsJson = False,
) -> None:
    """Show what becomes allowed and what becomes denied: by whom, which operation, and the shortest request.

    The comparison is exact. It ends with 1 if anything is newly allowed that no test of B declares: a policy_test.yaml
    declares it by a case that expects allow, for each of its callers and for that operation. With --live each change
    has the number of requests there were in it.
    """
    old, new = book.read(read_directory(before)), book.read(read_directory(after))
    declared = _Declared(new)
    changes = [(change, declared.covers(change)) for change in compare(old.state, new.state)]
    counted = _Counted(old, new, [change for change, _ in changes], (server_socket, since) if live else None)
    for change, is_declared in changes:
        if as_json:
            say_json({**_shape(change, new, declared=is_declared), **counted.shape(change)})
        else:
            say("\n".join((*_lines(change, new, declared=is_declared), *counted.lines(change))))
    allowed = [is_declared for change, is_declared in changes if change.region.newly_allowed]
    undeclared = allowed.count(False)
    if as_json:
        say_json({"newly_allowed": len(allowed), "undeclared": undeclared, "newly_denied": len(changes) - len(allowed)})
    else:
        say(
            f"{len(allowed)} newly allowed, {undeclared} of them not declared by a test; "
            f"{len(changes) - len(allowed)} newly denied"
            if changes
            else "no difference: every request there can be is decided as before"
        )
    if undeclared:
        raise typer.Exit(Exit.FAILED)


class _Declared:
    """What the tests of a repository say is meant to be allowed."""

    def __init__(self, of: Book) -> None:
        findings = Findings()
        self._services = of.state.services
        self._cases: dict[ServiceName, tuple[Case, ...]] = {
            name: CaseFile(of.state, of.state.services[name], findings).cases(tree) for name, tree in of.tests.items()
        }
        findings.refuse_if_any()

    def covers(self, change: Change) -> bool:
        if change.operation is None or not change.region.newly_allowed:
            return False
        offers = [offered(one) for one in self._services[change.service].operations if one.name == change.operation]
        callers = {
            case.request.caller
            for case in self._cases.get(change.service, ())
            if case.allowed and case.request and any(holds(offer, case.request) for offer in offers)
        }
        return set(change.region.callers) <= callers


class _Counted:
    """The requests there were in each change, if they are asked for."""

    def __init__(self, old: Book, new: Book, changes: Sequence[Change], asked: tuple[Path, str] | None) -> None:
        self._changes = changes
        self._since = asked[1] if asked else ""
        self._traffic = Traffic(old.state, new.state, observed.ask(*asked).traffic) if asked else None

    def shape(self, change: Change) -> Mapping[str, object]:
        if self._traffic is None:
            return {}
        found = self._traffic.of(change, self._changes)
        return {"live_requests": found.requests, "live_unknown": found.unknown}

    def lines(self, change: Change) -> Iterator[str]:
        if self._traffic is not None:
            found = self._traffic.of(change, self._changes)
            unknown = f", and {found.unknown} more of which the log cannot tell" if found.unknown else ""
            yield f"    live: {found.requests} requests in {self._since}{unknown}"


def _lines(change: Change, new: Book, *, declared: bool) -> Iterator[str]:
    region = change.region
    request = region.request
    note = "" if declared or not region.newly_allowed else "  (not declared by a test)"
    sign, verb = ("+", "newly allowed") if region.newly_allowed else ("-", "newly denied")
    yield f"{sign} {verb}: {change.service} {change.operation or 'outside its operations'}{note}"
    names = caller_names(new.state, region)
    more = f" and {len(names) - MOST_CALLERS} more" if len(names) > MOST_CALLERS else ""
    yield f"    callers: {', '.join(names[:MOST_CALLERS])}{more}"
    headers = "".join(f" with {name}: {value}" for name, value in request.headers)
    yield f"    for example: {request.method} {request.path}{headers}"
    yield f"    before: {region.before or 'no rule'}; after: {region.after or 'no rule'}"


def _shape(change: Change, new: Book, *, declared: bool) -> Mapping[str, object]:
    region = change.region
    return {
        "change": "newly allowed" if region.newly_allowed else "newly denied",
        "service": str(change.service),
        "operation": change.operation,
        "callers": list(caller_names(new.state, region)),
        "request": {
            "caller": str(region.request.caller),
            "method": region.request.method,
            "path": region.request.path,
            "headers": [list(line) for line in region.request.headers],
            "port": region.request.port,
        },
        "before": region.before,
        "after": region.after,
        "declared": declared,
    }

"""`trustplane policy replay DIR`: what these policies would have done to the traffic there was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import observed
from trustplane.cli.observed import Since, who
from trustplane.cli.output import Exit, instant, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.registry.model import DesiredState
from trustplane.verdict.effect import Effect, Line, Outcome, effect
from trustplane.verdict.tally import requests

EXAMPLES = """\b
Examples:
  trustplane policy replay trust/
  trustplane policy replay trust/ --since 30d --json
"""
_SIGNS = {Outcome.NEWLY_DENIED: "-", Outcome.NEWLY_ALLOWED: "+", Outcome.CANNOT_TELL: "?"}

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository that would be applied.")]


def command(directory: Directory, server_socket: ServerSocket, since: Since = "7d", *, as_json: AsJson = False) -> None:
    """Evaluate the policies of DIR against the requests there were: whom they would newly deny or newly allow.

    Requests are counted without their headers and bodies. Where a rule asks for a header, the answer is "cannot tell".
    Operations that nobody used say nothing about their rules, and are named. It ends with 1 if a request that was
    allowed would be denied.
    """
    state = book.read(read_directory(directory)).state
    seen = observed.ask(server_socket, since)
    found = effect(state, seen.traffic)
    if as_json:
        for line in found.lines:
            say_json(_shape(line, state))
        say_json(_summary(found, requests(seen.traffic)))
    else:
        say("\n".join(_text(found, state, requests(seen.traffic))))
    if found.of(Outcome.NEWLY_DENIED):
        raise typer.Exit(Exit.FAILED)


def _text(found: Effect, state: DesiredState, total: int) -> Iterator[str]:
    for line in found.lines:
        yield (
            f"{_SIGNS[line.outcome]} {line.outcome.value}: {line.tally.count} requests of {who(state, line.caller)}"
            f" to {line.callee} {line.operation or 'outside its operations'}"
        )
        yield f"    for example: {line.method} {line.path}{_sample(line)}"
        yield f"    first {instant(line.tally.first)}, last {instant(line.tally.last)}"
        yield f"    {_rules(line)}"
    if found.not_exercised:
        names = ", ".join(f"{service} {operation}" for service, operation in found.not_exercised)
        yield f"not exercised, so nothing is known of them: {names}"
    counts = [sum(one.tally.count for one in found.of(outcome)) for outcome in _SIGNS]
    yield (
        f"{total} requests: {counts[0]} would newly be denied, {counts[1]} newly allowed, "
        f"{counts[2]} cannot be told, {found.same} are decided as they were"
    )


def _sample(line: Line) -> str:
    return f" (x-request-id {line.tally.sample.request_id})" if line.tally.sample else ""


def _rules(line: Line) -> str:
    before = line.before or "no rule"
    if line.outcome is Outcome.CANNOT_TELL:
        return f"before: {before}; after: it hangs on what {line.after} asks for and no log holds"
    return f"before: {before}; after: {line.after or 'no rule'}"


def _shape(line: Line, state: DesiredState) -> Mapping[str, object]:
    sample = line.tally.sample
    return {
        "change": line.outcome.value,
        "service": str(line.callee),
        "operation": line.operation,
        "caller": str(line.caller) if line.caller else None,
        "caller_service": who(state, line.caller) if line.caller else None,
        "method": line.method,
        "path": str(line.path),
        "before": line.before,
        "after": line.after,
        "count": line.tally.count,
        "first": line.tally.first,
        "last": line.tally.last,
        "sample": sample.request_id if sample else None,
    }


def _summary(found: Effect, total: int) -> Mapping[str, object]:
    return {
        "requests": total,
        **{one.name.lower(): sum(each.tally.count for each in found.of(one)) for one in _SIGNS},
        "same": found.same,
        "not_exercised": [f"{service} {operation}" for service, operation in found.not_exercised],
    }

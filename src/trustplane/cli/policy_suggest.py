"""`trustplane policy suggest [SERVICE]`: least privilege from observed traffic, as a difference of files."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import observed
from trustplane.cli.arguments import as_input
from trustplane.cli.observed import Since
from trustplane.cli.output import say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.fault import Refused
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.policy.book import Book
from trustplane.policy.comparison import changes_of
from trustplane.policy.question import service_called
from trustplane.registry import layout
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.suggestion import Suggestion, suggestion

EXAMPLES = """\b
Examples:
  trustplane policy suggest payments trust/
  trustplane policy suggest payments trust/ --since 30d > least.patch
"""

Which = Annotated[str, typer.Argument(metavar="SERVICE", help="shop/payments, or payments if there is one.")]
Here = Annotated[Path, typer.Argument(metavar="[DIR]", help="The trust repository. Default: this directory.")]


def command(
    server_socket: ServerSocket,
    service: Which,
    directory: Here = Path(),
    since: Since = "30d",
    *,
    as_json: AsJson = False,
) -> None:
    """Propose the policy that allows what was allowed and used, and nothing else. Nothing is written.

    It is a difference to read, in the form of the shipped templates: what was seen rarely is marked, and what was never
    used has no rule. Try it before it is applied: trustplane policy replay, trustplane policy diff.
    """
    files = read_directory(directory)
    found = book.read(files)
    with as_input():
        name = service_called(found.state, service).name
    seen = observed.ask(server_socket, since, name)
    proposed = suggestion(found.state, found.state.services[name], seen.traffic)
    is_least = _is_least(found, name, files, proposed.policy)
    patch = "" if is_least else "".join(_patch(name, files, proposed.policy))
    notes = (*proposed.notes, *(() if is_least else _notes(found, name, files)))
    if as_json:
        say_json({"service": str(name), "policy": proposed.policy, "patch": patch, "notes": notes})
        return
    say("\n".join([patch.rstrip("\n") or _same(proposed), *(f"# {one}" for one in notes)]))


def _is_least(found: Book, name: ServiceName, files: dict[str, bytes], policy: str) -> bool:
    """Whether the policy of now decides every request there can be as the proposed one would."""
    folder = f"services/{name.namespace}/{name.name}/"
    others = {path: content for path, content in files.items() if path != folder + layout.POLICY_CEDAR}
    if not policy:
        return False
    try:
        proposed = book.read({**others, folder + layout.POLICY_YAML: policy.encode()})
    except Refused:
        return False
    return next(changes_of(found.state, proposed.state, name), None) is None


def _patch(name: ServiceName, files: dict[str, bytes], policy: str) -> Iterator[str]:
    path = f"services/{name.namespace}/{name.name}/{layout.POLICY_YAML}"
    before = files.get(path, b"").decode(errors="replace").splitlines(keepends=True)
    if policy:
        old = f"a/{path}" if before else "/dev/null"
        yield from difflib.unified_diff(before, policy.splitlines(keepends=True), old, f"b/{path}")


def _same(proposed: Suggestion) -> str:
    if not proposed.policy:
        return "# no use of a declared operation was allowed in that time: nothing is proposed"
    return "# the policy allows what is used and nothing else"


def _notes(found: Book, name: ServiceName, files: dict[str, bytes]) -> Iterator[str]:
    path = f"services/{name.namespace}/{name.name}/{layout.POLICY_CEDAR}"
    if path in files:
        yield f"{path} stays as it is and may allow more: its rules are {_rules_in(found, name, path)}"


def _rules_in(found: Book, name: ServiceName, path: str) -> str:
    rules = found.rules_of(name).rules
    return ", ".join(f"{one.effect.value} {one.id}" for one in rules if one.place and one.place.file == path)

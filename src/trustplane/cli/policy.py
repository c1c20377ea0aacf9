"""`trustplane policy`: write, check and explain the rules about who may call a service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import cedarpy
import typer

from trustplane.cli import (
    policy_diff,
    policy_export,
    policy_replay,
    policy_shadow,
    policy_suggest,
    policy_test,
    policy_traffic,
)
from trustplane.cli.arguments import as_input
from trustplane.cli.output import Exit, say, say_json, table
from trustplane.cli.policy_live import not_enforcing
from trustplane.cli.policy_words import header_lines, spans
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.fault import Refused
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.policy.book import Book
from trustplane.policy.examine_book import cases_of
from trustplane.policy.explanation import Explanation, explain, named
from trustplane.policy.question import asked, service_called
from trustplane.policy.rules import Rule, probes_of
from trustplane.policy.shipped import TEMPLATES
from trustplane.policy.source import policies
from trustplane.policy.starter import starter
from trustplane.policy.template import Template
from trustplane.policy.tree import Request
from trustplane.registry import layout
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import readable

group = typer.Typer(
    name="policy", help="Write, check, test and explain the rules about who may call a service.", no_args_is_help=True
)

CHECK_EXAMPLES = """\b
Examples:
  trustplane policy check trust/
  trustplane policy check trust/ --json       findings with spans, for an editor
  trustplane policy check trust/ --live       and which sidecars do not enforce what they should
"""
EXPLAIN_EXAMPLES = """\b
Examples:
  trustplane policy explain "checkout POST /charge payments" trust/
  trustplane policy explain "shop/web GET /orders/7 shop/orders" trust/ --header "x-team: a"
"""
SHOW_EXAMPLES = """\b
Examples:
  trustplane policy show payments trust/       the Cedar its templates stand for
"""
FMT_EXAMPLES = """\b
Examples:
  trustplane policy fmt trust/
  trustplane policy fmt trust/ --check         change nothing; end with 1 if something would change
"""
NEW_EXAMPLES = """\b
Examples:
  trustplane policy new payments trust/        policy.yaml and policy_test.yaml for its callers of today
  trustplane policy templates                  what else a policy can use
"""

TEMPLATES_EXAMPLES = """\b
Examples:
  trustplane policy templates
  trustplane policy templates trust/           its own templates, too
"""

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository.")]
MaybeDirectory = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A trust repository.")]
Here = Annotated[Path, typer.Argument(metavar="[DIR]", help="The trust repository. Default: this directory.")]
Question = Annotated[str, typer.Argument(metavar="QUESTION", help='"CALLER METHOD PATH SERVICE".')]
ServiceArgument = Annotated[str, typer.Argument(metavar="SERVICE", help="shop/payments, or payments if there is one.")]
Header = Annotated[list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="A header; repeatable.")]
Live = Annotated[bool, typer.Option("--live", help="Ask the server which sidecars do not enforce what they should.")]
OnlyCheck = Annotated[bool, typer.Option("--check", help="Change nothing; end with 1 if something would change.")]


@group.command(epilog=CHECK_EXAMPLES)
def check(directory: Directory, server_socket: ServerSocket, *, live: Live = False, as_json: AsJson = False) -> None:
    """Show everything that is wrong with the policies, at once.

    Each finding has its file, line and column, the reason, and what to write instead. With --live the server is asked,
    too, which sidecars refused their rules, or are too old for them: those keep what they were given before.
    """
    files: dict[str, bytes] = {}
    try:
        files = read_directory(directory)
        found = book.read(files)
        list(cases_of(found))  # what is wrong with them; whether they hold is `policy test`'s to say
    except Refused as refusal:
        if not as_json:
            raise
        say_json({"findings": spans(refusal.findings, files)})
        raise typer.Exit(Exit.FAILED) from None
    lagging = not_enforcing(server_socket) if live else ()
    if as_json:
        say_json({"findings": [], **({"not_enforcing": lagging} if live else {})})
    else:
        say(_summary(found))
        if live:
            say("\n".join(map(str, lagging)) or "every sidecar enforces what it should")
    if lagging:
        raise typer.Exit(Exit.FAILED)


def _summary(found: Book) -> str:
    header: tuple[str, ...] = ("SERVICE", "DECIDED BY", "RULES")
    rows: list[tuple[str, ...]] = [
        (str(name), "policy" if name in found.written else "declared callers", str(len(found.rules_of(name).rules)))
        for name in found.state.services
    ]
    if found.guard_rails:
        header = (*header, "GUARD-RAILS")
        guards = (", ".join(one.id for one in found.rules_of(name).guards) or "-" for name in found.state.services)
        rows = [(*row, of) for row, of in zip(rows, guards, strict=True)]
    return table(header, rows) + "\nok: every rule can be enforced exactly as it is written"


@group.command(name="explain", epilog=EXPLAIN_EXAMPLES)
def explain_request(
    question: Question, directory: Here = Path(), header: Header = None, *, as_json: AsJson = False
) -> None:
    """Say whether a request is allowed, by which rule, and for a denial which rule comes nearest."""
    found = book.read(read_directory(directory))
    with as_input():
        request, service = asked(found.state, question, header_lines(header or ()))
    answer = explain(found.state, found.rules_of(service.name), probes_of(found.state, service), request)
    if as_json:
        say_json(_answer_shape(answer, request))
        return
    say("\n".join(_answer_lines(found, answer, request, str(service.name))))


def _answer_lines(found: Book, answer: Explanation, request: Request, service: str) -> list[str]:
    rule, verdict = answer.decision.rule, "allowed" if answer.decision.allowed else "denied"
    lines = [f"{verdict}: {request.method} {request.path} of {service} by {request.caller}"]
    if rule is not None:
        return [*lines, f"  by: {_rule_text(rule)}", f"  for: {named(found.state, rule.who)}{_operations(rule)}"]
    lines.append("  by: no rule allows it, and what no rule allows is denied")
    if answer.nearest is None:
        return [*lines, f"  nothing is allowed here: nobody declares a call to {service}, and no policy permits one"]
    lines.append(f"  nearest: {_rule_text(answer.nearest.rule)} would allow it, if")
    return [*lines, *(f"    {lack}" for lack in answer.nearest.lacks)]


def _operations(rule: Rule) -> str:
    return (
        f": {', '.join(f'{one.name} ({one.method} {one.path})' for one in rule.operations)}" if rule.operations else ""
    )


def _rule_text(rule: Rule) -> str:
    whose = f", a guard-rail of {rule.guarded_by}" if rule.guarded_by else ""
    return f"{rule.effect.value} {rule.id}" + (f" at {rule.place}" if rule.place else "") + whose


def _answer_shape(answer: Explanation, request: Request) -> Mapping[str, object]:
    rule, near = answer.decision.rule, answer.nearest
    return {
        "allowed": answer.decision.allowed,
        "caller": str(request.caller),
        "method": request.method,
        "path": request.path,
        "rule": rule.id if rule else None,
        "place": str(rule.place) if rule and rule.place else None,
        "guarded_by": (rule.guarded_by or None) if rule else None,
        "nearest": {"rule": near.rule.id, "lacks": list(near.lacks)} if near else None,
    }


@group.command(epilog=SHOW_EXAMPLES)
def show(service: ServiceArgument, directory: Here = Path(), *, as_json: AsJson = False) -> None:
    """Show the Cedar of one service: its own, and what its templates stand for."""
    found = book.read(read_directory(directory))
    with as_input():
        name = service_called(found.state, service).name
    policy = found.policy_of(name)
    if as_json:
        shape = {"service": str(name), "by_default": found.rules_of(name).by_default, "cedar": list(policy.cedar)}
        say_json({**shape, "guard_rails": list(policy.guards)})
    elif policy.cedar:
        say("\n\n".join((*policy.cedar, *policy.guards)))
    else:
        rules = found.rules_of(name).rules
        say("\n".join(f"// {one.id}: {named(found.state, one.who)}{_operations(one)}" for one in rules) or "// nobody")
        if policy.guards:
            say("\n\n".join(policy.guards))


@group.command(epilog=FMT_EXAMPLES)
def fmt(directory: Directory, *, check: OnlyCheck = False, as_json: AsJson = False) -> None:
    """Bring every policy.cedar, and guardrails.cedar, into Cedar's own layout."""
    changed = []
    for path, content in read_directory(directory).items():
        if path.endswith("/" + layout.POLICY_CEDAR) or path == layout.GUARD_RAILS:
            formatted = _formatted(path, content)
            if formatted != content:
                changed.append(path)
                if not check:
                    (directory / path).write_bytes(formatted)
    if as_json:
        say_json({"changed": changed})
    else:
        say("\n".join(changed) or "nothing to change")
    if changed and check:
        raise typer.Exit(Exit.FAILED)


def _formatted(path: str, content: bytes) -> bytes:
    findings = Findings()
    text = readable(path, content)
    policies(path, text, findings)
    findings.refuse_if_any()
    return cedarpy.format_policies(text, line_width=100).encode().rstrip() + b"\n"


@group.command(epilog=NEW_EXAMPLES)
def new(service: ServiceArgument, directory: Here = Path(), *, as_json: AsJson = False) -> None:
    """Write a first policy beside a service: what its declared callers may do today, with a test of it.

    Nothing is overwritten.
    """
    found = book.read(read_directory(directory))
    with as_input():
        name = service_called(found.state, service).name
        written = starter(found.state, found.state.services[name])
    folder = directory / "services" / name.namespace / name.name
    for file in written:
        if (folder / file).exists():
            raise Refused(
                code="policy-exists",
                what=f"{folder / file} exists",
                why="a first policy replaces none",
                fix=f"edit it; trustplane policy show {name} shows what it stands for",
            )
    for file, text in written.items():
        with (folder / file).open("x") as target:
            target.write(text)
    paths = [str(folder / file) for file in written]
    if as_json:
        say_json({"written": paths})
    else:
        say("\n".join(f"wrote {path}" for path in paths))


@group.command(epilog=TEMPLATES_EXAMPLES)
def templates(directory: MaybeDirectory = None, *, as_json: AsJson = False) -> None:
    """List the templates that policy.yaml can use: those that come with trustplane, and those of DIR."""
    own = book.read(read_directory(directory)).templates if directory else {}
    known = {**TEMPLATES, **own}
    if as_json:
        say_json([_template_shape(name, one) for name, one in sorted(known.items())])
        return
    rows = [
        (
            name,
            ", ".join(one.owners),
            ", ".join(f"{key}: {kind.value}" for key, kind in one.parameters.items()),
            one.summary,
        )
        for name, one in sorted(known.items())
    ]
    say(table(("TEMPLATE", "OWNERS", "PARAMETERS", "WHAT IT ALLOWS"), rows))


def _template_shape(name: str, one: Template) -> Mapping[str, object]:
    parameters = {key: kind.value for key, kind in one.parameters.items()}
    return {"template": name, "owners": one.owners, "summary": one.summary, "parameters": parameters, "cedar": one.text}


group.command(name="test", epilog=policy_test.EXAMPLES)(policy_test.command)
group.command(name="diff", epilog=policy_diff.EXAMPLES)(policy_diff.command)
group.add_typer(policy_shadow.group)
group.command(name="export", epilog=policy_export.EXAMPLES)(policy_export.command)
group.command(name="traffic", epilog=policy_traffic.EXAMPLES)(policy_traffic.command)
group.command(name="replay", epilog=policy_replay.EXAMPLES)(policy_replay.command)
group.command(name="suggest", epilog=policy_suggest.EXAMPLES)(policy_suggest.command)

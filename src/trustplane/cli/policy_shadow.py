"""`trustplane policy shadow`: a whole candidate, tried on live traffic before anybody is refused by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin, policy_shadow_text, repository_difference
from trustplane.cli.arguments import duration
from trustplane.cli.break_glass import BreakGlass
from trustplane.cli.output import WrongInput, say, say_json
from trustplane.cli.repository_text import repository_text
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.host.repository_files import read_directory
from trustplane.registry import layout
from trustplane.wire.http_dry_run_shapes import DryRunRequest, DryRunShape, PromotionRequest, PromotionShape

HERE = "/v1/dry-run"

group = typer.Typer(
    name="shadow",
    help="Try a whole candidate on live traffic: see whom it would refuse, then enforce it.",
    no_args_is_help=True,
)

START_EXAMPLES = """\b
Examples:
  trustplane policy shadow start trust/
  trustplane policy shadow start trust/ --for 2d
"""
STATUS_EXAMPLES = """\b
Examples:
  trustplane policy shadow status
  trustplane policy shadow status --json
"""
STOP_EXAMPLES = """\b
Examples:
  trustplane policy shadow stop
"""
PROMOTE_EXAMPLES = """\b
Examples:
  trustplane policy shadow promote trust/
  trustplane policy shadow promote trust/ --only-check --after 4h        for CI: ends with 1 and every reason
  trustplane policy shadow promote trust/ --expect "deny reporting charge payments" --expect "idle refund payments"
"""

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository that is tried.")]
Tried = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="Refuse unless this is what was tried. Default: not looked at.")
]
Lasting = Annotated[str, typer.Option("--for", metavar="TIME", help="When it ends by itself: 1m to 30d.")]
After = Annotated[str, typer.Option("--after", metavar="TIME", help="How long it must have run.")]
Least = Annotated[int, typer.Option("--least", min=0, metavar="N", help="Requests needed for each operation.")]
Expect = Annotated[
    list[str] | None,
    typer.Option(
        "--expect",
        metavar="WORDS",
        help='What is meant: "deny CALLER OPERATION SERVICE", "idle OPERATION SERVICE", "uncounted N"; repeatable.',
    ),
]
Expected = Annotated[
    Path | None, typer.Option("--expected", metavar="FILE", help="The same, one a line; # begins a comment.")
]
OnlyCheck = Annotated[bool, typer.Option("--only-check", help="Change nothing; end with 1 if it would be refused.")]


@group.command(epilog=START_EXAMPLES)
def start(
    directory: Directory, server_socket: ServerSocket, lasting: Lasting = "7d", *, as_json: AsJson = False
) -> None:
    """Have every sidecar judge by this repository too, beside what it enforces.

    Nobody is refused by it and nobody let in. It is checked as an apply checks it, ends by itself, and ends when
    another revision is applied.
    """
    length = duration(lasting).total_seconds()
    files = repository_text(directory)
    begun = admin.server(server_socket).post(
        "/v1/dry-runs", DryRunShape, DryRunRequest(files=files, lasting_seconds=length)
    )
    if as_json:
        say_json(begun)
        return
    say(policy_shadow_text.heading(begun))
    say("nobody is refused by it; see what it would do with: trustplane policy shadow status")


@group.command(epilog=STATUS_EXAMPLES)
def status(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Show which sidecars judge by it, and whom it would newly refuse or let in.

    Operations that nobody used are named: of them nothing was shown.
    """
    found = admin.server(server_socket).get(HERE, DryRunShape)
    if as_json:
        say_json(found)
    else:
        say(policy_shadow_text.text(found))


@group.command(epilog=STOP_EXAMPLES)
def stop(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """End it. Nothing that is enforced changes, and what it has shown stays to be seen."""
    found = admin.server(server_socket).post(f"{HERE}/stop", DryRunShape)
    if as_json:
        say_json(found)
    else:
        say(policy_shadow_text.heading(found))


@group.command(epilog=PROMOTE_EXAMPLES)
def promote(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command
    server_socket: ServerSocket,
    directory: Tried = None,
    after: After = "24h",
    least: Least = 1,
    expect: Expect = None,
    expected: Expected = None,
    *,
    only_check: OnlyCheck = False,
    break_glass: BreakGlass = "",
    as_json: AsJson = False,
) -> None:
    """Apply what was tried, if it has shown enough; else say every reason at once.

    It must have run for --after on every sidecar it concerns, refused nobody but those who are expected to be, and seen
    every operation used --least times.
    """
    asked = PromotionRequest(
        after_seconds=duration(after).total_seconds(),
        least=least,
        expected=(*(expect or ()), *(_lines(expected) if expected else ())),
        digest=layout.digest(read_directory(directory)) if directory else "",
        only_check=only_check,
    )
    found = admin.server(server_socket).post(f"{HERE}/promote", PromotionShape, asked, break_glass)
    if as_json:
        say_json(found)
    elif found.applied is None:
        say(f"the dry run {found.id} has shown enough: nothing was changed")
    else:
        say(repository_difference.text(found.applied.plan))
        say(f"revision {found.applied.revision.number} holds, as the dry run {found.id} tried it")


def _lines(file: Path) -> tuple[str, ...]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(
            code="expectations-unreadable",
            what=f"{file} cannot be read",
            why=error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text",
            fix="name a text file with one expectation a line",
        ) from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)

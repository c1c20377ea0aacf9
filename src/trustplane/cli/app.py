"""The command line: every command, and how each ends.

0 done; 1 refused or failed; 2 wrong usage or input; 3 nobody to ask; 4 proposed, not done: it waits for an approval.
Failures go to standard error as error[code]: what, why and fix, or with --json as one JSON object.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module, metadata
from typing import Annotated, Any, cast

import typer
import typer.main
from typer.core import TyperGroup

from trustplane.cli.admin import Proposed
from trustplane.cli.output import Exit, WrongInput, exit_of, say, show_fault
from trustplane.fault import Fault

# A module each, in the order of the help.
_COMMANDS = (
    *("demo", "status", "plan", "apply", "explain", "diagnose", "probe"),
    *("ingest", "simulate", "rehearse", "sidecar"),
)
_GROUPS = (
    *("server", "agent", "svid", "policy", "revoke", "rotate", "bundle", "federation", "audit"),
    *("proposals", "rollouts", "runbook", "alerts", "postmortem", "knowledge", "console"),
)


class _Commands(Mapping[str, Any]):
    """By name, imported when one is asked for: what the others need takes most of a second."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer's own, which it does not export
        if name not in {*_COMMANDS, *_GROUPS}:
            raise KeyError(name)
        module = import_module(f"trustplane.cli.{name}")
        holder = typer.Typer(rich_markup_mode=None, callback=lambda: None)
        if name in _COMMANDS:
            holder.command(name=name, epilog=module.EXAMPLES)(module.command)
        else:
            holder.add_typer(module.group)
        return cast("TyperGroup", typer.main.get_command(holder)).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*_COMMANDS, *_GROUPS))

    def __len__(self) -> int:
        return len(_COMMANDS) + len(_GROUPS)


class _Program(TyperGroup):
    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**given)
        self.commands = cast("dict[str, Any]", _Commands())


app = typer.Typer(
    name="trustplane",
    cls=_Program,
    epilog="Start with: trustplane demo",
    no_args_is_help=True,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(*, version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    """Mutual TLS between services, run by one engineer."""
    if version:
        say(f"trustplane {metadata.version('trustplane')}")
        raise typer.Exit


# The parser's own complaints; typer exports only this leaf of their family.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def run() -> None:
    """The entry point. Ctrl-C ends quietly with the code shells expect of it."""
    as_json = "--json" in sys.argv
    try:
        sys.exit(app(prog_name="trustplane", standalone_mode=False))
    except Proposed as instead:
        from trustplane.cli import proposals  # noqa: PLC0415 - few commands propose

        proposals.waiting(instead.proposal, as_json=as_json)
        sys.exit(Exit.WAITING)
    except Fault as fault:
        show_fault(fault, as_json=as_json)
        sys.exit(exit_of(fault))
    except _UsageError as error:
        _show_usage(error, as_json=as_json)
        sys.exit(Exit.WRONG_INPUT)
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def _show_usage(error: Exception, *, as_json: bool) -> None:
    complaint = cast("typer.BadParameter", error)
    if not as_json:
        complaint.show()
        return
    wrong = WrongInput(
        code="wrong-usage",
        what="the command line is not understood",
        why=complaint.format_message(),
        fix="trustplane --help, or --help after the command",
    )
    show_fault(wrong, as_json=True)

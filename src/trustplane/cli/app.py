"""The command line: every command, and how each ends.

0 done; 1 refused or failed; 2 wrong usage or input; 3 nobody to ask. Failures go to standard error as
error[code]: what, why and fix, or with --json as one JSON object.
"""

from __future__ import annotations

import sys

import typer

from trustplane.cli import agent, apply, audit, demo, explain, plan, server, sidecar, status, svid
from trustplane.cli.output import Exit, exit_of, show_fault
from trustplane.fault import Fault

app = typer.Typer(
    name="trustplane",
    help="Mutual TLS between services, run by one engineer.",
    epilog="Start with: trustplane demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for one in (demo, status, plan, apply, explain, sidecar):
    app.command(epilog=one.EXAMPLES)(one.command)
for group in (server, agent, svid, audit):
    app.add_typer(group.group)


def run() -> None:
    """The entry point. Ctrl-C ends quietly with the code shells expect of it."""
    try:
        app(standalone_mode=True)
    except Fault as fault:
        show_fault(fault, as_json="--json" in sys.argv)
        sys.exit(exit_of(fault))
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain while closing it.
        sys.stderr.close()
        sys.exit(Exit.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)

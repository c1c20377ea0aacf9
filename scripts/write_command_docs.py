"""Writes docs/commands.md: the help of every command there is, as `--help` prints it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from trustplane.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "commands.md"
HEAD = """\
# Commands

Written by `scripts/write_command_docs.py` from each command's `--help`; do not edit.

Every command takes `--json`, ends with 0 when it is done, 1 when it was refused or failed, 2 on wrong usage or input,
3 when there is nobody to ask, and 4 when it was proposed and waits for an approval. It prints failures to standard
error as `error[code]`: what, why and fix. The codes are listed in [faults.md](faults.md).
"""


def main() -> None:
    os.environ.clear()  # no setting of whoever writes it becomes a default that is shown
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1", "HOME": "/"}
    sections = (f"## {name}\n\n```text\n{shown}\n```\n" for name, shown in _helps(typer.main.get_command(app)))
    PAGE.write_text("\n".join([HEAD, *sections]))


def _helps(command: Any, name: str = "trustplane", parent: Any = None) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - typer's own, which it does not export
    """A command's name with its help, and those of all below it."""
    context = command.make_context(name.rpartition(" ")[2], [], parent, resilient_parsing=True)
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    if hasattr(command, "list_commands"):
        for below in command.list_commands(context):
            yield from _helps(command.get_command(context, below), f"{name} {below}", context)


if __name__ == "__main__":
    main()

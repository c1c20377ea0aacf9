"""`trustplane ingest`: the logs of other proxies and programs as failure events, one JSON object a line."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.output import note, say_json
from trustplane.cli.sockets import AsJson
from trustplane.flows.records.diagnose import failures_of
from trustplane.handshake.readers.event import fitting
from trustplane.handshake.readers.formats import Format
from trustplane.host.log_files import LogFile

EXAMPLES = """\b
Examples:
  trustplane ingest nginx /var/log/nginx/error.log
  journalctl -u payments -o cat | trustplane ingest go - | trustplane diagnose -
"""

Kind = Enum("Kind", {one.name: one.value for one in Format if one not in {Format.EVENTS, Format.TEXT}})  # type: ignore[misc] # made from the formats
KindGiven = Annotated[Kind, typer.Argument(metavar="FORMAT", help=f"{', '.join(one.value for one in Kind)}.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="The log; - for standard input.")]


def command(kind: KindGiven, file: File, *, as_json: AsJson = False) -> None:
    """Turn a log into failure events, one JSON object a line.

    Only failed handshakes come out. Names in them are what a peer claimed. Times without a zone are taken as UTC.
    """
    count = 0
    with as_input():
        for failure in failures_of(LogFile(file), Format(kind.value)):
            say_json(fitting(failure))
            count += 1
    if not as_json:
        note(f"{count} failed handshake{'s' if count != 1 else ''}")

"""The option by which an act that needs an approval is done at once, and how it reaches the server."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

BreakGlass = Annotated[
    str,
    typer.Option(
        "--break-glass",
        metavar="REASON",
        help="Do it at once where an approval is required. The console and the audit log say so, with the reason.",
    ),
]


def glass(reason: str) -> dict[str, str]:
    return {"Trustplane-Break-Glass": quote(reason)} if reason else {}

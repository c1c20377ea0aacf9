"""Options of both processes about the collector that is told of their figures and failures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OtlpEndpoint = Annotated[
    str | None,
    typer.Option(
        envvar="TRUSTPLANE_OTLP_ENDPOINT",
        metavar="URL",
        help="Tell this OpenTelemetry collector the metrics, and a server the failed handshakes too. Default: nobody.",
    ),
]
OtlpHeaders = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Lines of `Name: value` that it is sent, such as a token.")
]

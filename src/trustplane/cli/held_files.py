"""What a side holds, from what its operator has of it: its Envoy's configuration dump, or a folder of PEM files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.output import WrongInput
from trustplane.cli.shown_state import read_certificates, read_crl
from trustplane.cli.svid_files import read_bounded
from trustplane.handshake.failure import Side
from trustplane.handshake.holding import NOTHING, Held, Holding, Holdings
from trustplane.handshake.readers import envoy_config

MAX_DUMP_BYTES = 64 << 20
CHAIN, BUNDLE, LIST = "svid.pem", "bundle.pem", "crl.pem"  # the first two as `svid fetch --write` names them
_WHAT = "its Envoy's /config_dump, or a folder with svid.pem, bundle.pem and crl.pem"

ClientHolds = Annotated[
    Path | None, typer.Option("--client-holds", metavar="PATH", help=f"What the client itself has: {_WHAT}.")
]
ServerHolds = Annotated[
    Path | None, typer.Option("--server-holds", metavar="PATH", help=f"What the server itself has: {_WHAT}.")
]


def held_files(client: Path | None, server: Path | None) -> Held:
    if client is None and server is None:
        return NOTHING
    with as_input():
        return Held(_holdings(client, Side.CLIENT), _holdings(server, Side.SERVER))


def _holdings(path: Path | None, side: Side) -> Holdings:
    if path is None:
        return Holdings()
    if path.is_dir():
        return Holdings(_of_folder(path))
    return envoy_config.read(read_bounded(path, MAX_DUMP_BYTES), side)


def _of_folder(folder: Path) -> Holding:
    chain, bundle, crl = (path if (path := folder / name).is_file() else None for name in (CHAIN, BUNDLE, LIST))
    if chain is None and bundle is None:
        raise WrongInput(
            code="holds-nothing",
            what=f"{folder} has neither {CHAIN} nor {BUNDLE}",
            why="a side is known by the chain it presents and the roots it trusts",
            fix=f"write them with `trustplane svid fetch --write {folder}`, or copy the side's own under these names",
        )
    return Holding(
        read_certificates(chain) if chain else None,
        read_certificates(bundle) if bundle else None,
        (read_crl(crl),) if crl else None,
    )

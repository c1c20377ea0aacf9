"""Runbooks for a certificate of another issuer that has the wrong shape, and for words that no signature knows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit.fault_envoys import cases_of, staged
from tests.kit.faults import Fault, Held, all_faults, works
from tests.kit.mesh_peers import impostor, openssl
from tests.kit.runbook_stand import Stand
from tests.scenarios.runbooks.test_time import active_issuer
from tests.scenarios.runbooks.test_what_is_declared import edited
from trustplane.handshake.failure import Tls
from trustplane.host.envoy import find_envoy

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
VERIFY = "trustplane svid verify <CHAIN> --bundle <BUNDLE>"
SHOW = "trustplane svid show <CHAIN>"
JUDGE = "trustplane diagnose <LOGFILE> --chain <CHAIN> --bundle <BUNDLE>"
# What is wrong, how it is named, the rule that the chain breaks, and how the commands that read the chain end.
SHAPES = (
    ("one-use-server", "wrong-usage", "extended key usage", {SHOW: 2, VERIFY: 2}),
    ("long-path-server", "path-length", "path length", {VERIFY: 1}),
    ("constrained-server", "name-constraint", "name constraint", {VERIFY: 1}),
)
PORT = 24_991
OWN_WORDS = "pay-client E4711: the peer could not be reached in confidence"


def refused(fault: Fault, folder: Path) -> Mapping[str, Path]:
    """One Envoy shows another what it was issued elsewhere; the log of the one that judged it, and the files."""
    folder.mkdir()

    async def play() -> Path:
        async with staged(folder, find_envoy(None), cases_of((works(), fault), (Tls.V1_3,))) as stage:
            await stage.play()
            return stage.client_log

    return {"LOGFILE": asyncio.run(play()), **files_of(fault.server, folder), "BUNDLE": roots_of(fault, folder)}


def files_of(held: Held, folder: Path) -> dict[str, Path]:
    chain = folder / "chain.pem"
    chain.write_bytes(held.chain_pem())
    return {"CHAIN": chain}


def roots_of(fault: Fault, folder: Path) -> Path:
    roots = folder / "roots.pem"
    roots.write_bytes(fault.verifier.roots_pem())
    return roots


def test_profile(stand: Stand) -> None:
    """Three certificates of another issuer. Its owner issues one anew; our own profile and authority change too."""
    faults = {one.name: one for one in all_faults()}
    before = active_issuer(stand)
    with stand.play("profile", None, DIR=edited(stand), AUTHORITY=before) as play:
        for name, cause, rule, ends in SHAPES:
            folder = stand.mesh.folder / name
            play.values |= {key: str(path) for key, path in refused(faults[name], folder).items()}
            said = play.types("What is it", ends)
            assert f"It is {cause}" in said[JUDGE]
            assert rule in said[VERIFY]

        def corrected() -> None:
            play.values["CHAIN"] = str(files_of(works().server, stand.mesh.folder)["CHAIN"])

        play.by_hand("it is corrected there and issued anew", corrected)
        play.is_over(lambda said: "verified" in said[0])
        said = play.types("Our own")
        assert "verified" not in said["trustplane plan <DIR>"]
        assert active_issuer(stand) != before


def test_unknown(stand: Stand) -> None:
    """A program hides the words of its TLS library; the peer presents a leaf without the authority above it."""
    loot, folder = stand.loot(), stand.mesh.folder
    client, server = folder / "client.log", folder / "server.log"
    client.write_text(f"{OWN_WORDS}\n")
    server.write_text("pay-server E0815: a caller went away\n")
    leaf = folder / "leaf.pem"
    leaf.write_text(
        (loot / "svid.pem").read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )
    values = {"TEXT": OWN_WORDS, "CLIENT_LOG": client, "SERVER_LOG": server, "LOGFILE": client, "CHAIN": leaf}
    values |= {"BUNDLE": stand.roots()}
    with (
        impostor(stand.mesh.address, PORT, leaf, loot / "key.pem"),
        stand.play("unknown", None, **values) as play,
    ):
        play.values["HOST:PORT"] = f"{stand.mesh.address}:{PORT}"
        said = play.types("What is it", {"trustplane probe <HOST:PORT>": 1})
        assert "no failed handshake is in there" in said["trustplane diagnose <CLIENT-LOG> <SERVER-LOG>"]
        assert "no signature matches this text" in said['trustplane diagnose "<TEXT>" --by envoy --side server']
        assert "missing-intermediate" in said["trustplane probe <HOST:PORT>"]

        def whole_words() -> None:
            shown = openssl("s_client", "-connect", play.values["HOST:PORT"], "-CAfile", str(loot / "bundle.pem"))
            client.write_text(shown.stdout + shown.stderr)

        play.by_hand("let the program write the whole error of its TLS library", whole_words)
        play.is_over(lambda said: "missing-intermediate" in said[0])

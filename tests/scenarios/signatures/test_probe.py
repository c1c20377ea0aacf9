"""The probe meets real Envoys: what it says of a server is what is wrong with it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fault_clients import Files
from tests.kit.fault_envoys import Case, cases_of, staged
from tests.kit.faults import all_faults, works
from trustplane.handshake.failure import Tls
from trustplane.host.envoy import find_envoy
from trustplane.main.envoy_bench import LOOPBACK

pytestmark = pytest.mark.scenario

# What it must end in: whether the server keeps us, whether we would take it, and the cause on either side.
EXPECTED: dict[str, tuple[bool, bool | None, str]] = {
    "works": (True, True, ""),
    "expired-server": (True, False, "leaf-expired"),
    "unknown-root-server": (True, False, "unknown-issuer"),
    "other-name-server": (True, False, "wrong-san"),
    "expired-client": (False, True, "leaf-expired"),
    "no-certificate": (False, True, "no-client-certificate"),
    "plain-server": (False, None, "tls-to-plaintext"),
}


def probed(case: Case, folder: Path) -> tuple[int, dict[str, Any]]:
    files = Files.of(case, folder)
    presented = ["--cert", files.chain, "--key", files.key] if files.presents else ["--anonymous"]
    command = [
        sys.executable, "-m", "trustplane.cli", "probe", f"{LOOPBACK}:{case.port}", "--json", *presented,
        "--bundle", files.roots, "--expect", case.fault.client.expects,
    ]  # fmt: skip
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_probe_says_who_refuses_whom_and_why(socket_dir: Path) -> None:
    chosen = [fault for fault in all_faults() if fault.name in EXPECTED]
    cases = cases_of((works(), *chosen), (Tls.V1_3,))

    async def scenario() -> dict[str, tuple[int, dict[str, Any]]]:
        async with staged(socket_dir, find_envoy(None), cases):
            return {case.fault.name: await asyncio.to_thread(probed, case, socket_dir) for case in cases}

    found = asyncio.run(scenario())
    assert found.keys() == EXPECTED.keys()
    for name, (takes_us, we_take_it, cause) in EXPECTED.items():
        code, said = found[name]
        causes = [one for one, _ in said["server_faults"]] + [one["id"] for one in said["causes"]]
        assert (said["takes_us"], said["we_take_it"], code) == (takes_us, we_take_it, 0 if name == "works" else 1), name
        assert cause in causes or not (cause or causes), (name, said)
        if name == "works":
            assert [one["signed_by"].split(",")[0] for one in said["certificates"]] == [
                "certificate 2 of the chain",
                "a root of the bundle",
            ]

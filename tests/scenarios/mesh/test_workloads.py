"""Which process gets which identity from a real agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.mesh import Mesh, Node
from tests.kit.mesh_repository import Member, Repository

OWN, OTHER = 31077, 31078
# Everything is imported before the user changes: the new one may not be able to read this checkout.
_FETCH = """
import asyncio, os, sys
from trustplane.fault import Fault
from trustplane.wire.workload_client import WorkloadClient
import encodings.idna
uid = int(sys.argv[2])
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
async def main():
    async with WorkloadClient("unix://" + sys.argv[1]) as client:
        return [str(keyed.svid.spiffe_id) for keyed, _ in (await client.fetch_x509()).identities]
try:
    print(asyncio.run(main()))
except Fault as fault:
    print(fault.code)
"""


def fetched_by(node: Node, uid: int) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", _FETCH, str(node.workload), str(uid)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user; the test below needs no root")
def test_another_user_is_denied(mesh: Mesh) -> None:
    mesh.folder.chmod(0o711)
    clerk = Member("clerk", 0, mesh.folder, selectors=(f"unix:uid:{OWN}",))
    mesh.start_server()
    mesh.apply(Repository((clerk,)))
    node = mesh.join()
    assert clerk.spiffe_id in fetched_by(node, OWN)
    assert fetched_by(node, OTHER) == "no-identity"
    assert fetched_by(node, OWN + 100_000) == "no-identity"


def test_another_executable_is_denied_until_the_repository_says_otherwise(mesh: Mesh) -> None:
    clerk = Member("clerk", 0, mesh.executable("clerk"))
    mesh.start_server()
    mesh.apply(Repository((clerk,)))
    node = mesh.join()
    denied = mesh.run("svid", "fetch", "--socket", f"unix://{node.workload}", "--json")
    assert denied.returncode == 1
    assert json.loads(denied.stderr)["code"] == "no-identity"
    this = Member("tester", 1, Path(os.path.realpath(sys.executable)))
    mesh.apply(Repository((clerk, this)))
    mesh.until_up(node.part, lambda: len(node.status().entries) == 2 and node.ready())
    given = mesh.ask("svid", "fetch", "--socket", f"unix://{node.workload}")
    assert [one["spiffe_id"] for one in given["svids"]] == [this.spiffe_id]  # type: ignore[attr-defined]

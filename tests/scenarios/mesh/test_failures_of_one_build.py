"""Callers on two builds of Envoy, and a rollout after which those of one build are refused: one line says so.

1. Callers on an older Envoy and on the newest reach every callee.
2. A deploy system tells that it rolls out to the older ones. What it brings is a leaked key: their certificates are
   revoked while their agent stands still, and every callee refuses them from its next connection on.
3. `diagnose --fleet` names their build and the rollout, and so does the console's page of failures.

With TRUSTPLANE_SCREENSHOTS the page is left there as a picture.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from tests.kit.browser import browser, tab
from tests.kit.mesh import PORTS, Mesh, Node, until
from tests.kit.mesh_repository import Member, Repository
from tests.kit.mesh_traffic import status
from tests.kit.tree import ROOT
from trustplane.cli import admin
from trustplane.main.demo.directory import free_loopback
from trustplane.wire.http_fleet import FleetShape, FleetValueShape
from trustplane.wire.http_people_shapes import AccountRequest, AccountShape
from trustplane.wire.http_revocation_shapes import RevokeCertificateRequest
from trustplane.wire.http_shapes import ExplanationShape, RevocationShape

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.xdist_group("traffic")]

OLD, VERSION, REFERENCE = "1.39.3", "2.0", "pipeline/18"
OLDER, NEWER, CALLEES = 3, 5, 3
CONSOLE_PORT = 20446
PASSWORD = "seven plain words that nobody guesses"  # noqa: S105 - of an account that ends with the test
LINE = (
    rf"All \d+ failures are Envoy {re.escape(OLD)} since {VERSION} \(ci {REFERENCE}\) "
    r"\(expected by chance \d+; p < 1e-\d+\)"
)


def test_callers_of_one_build_that_fail_since_a_rollout_are_one_line(mesh: Mesh) -> None:
    console = f"{mesh.address}:{CONSOLE_PORT}"
    older, newer, callees = _callers_on_two_builds(mesh, console)

    def found() -> FleetShape:
        return admin.server(mesh.server.admin).get("/v1/handshakes/fleet", FleetShape)

    # What worked is told once a minute, and without it nothing can be compared.
    until(lambda: found().links == (OLDER + NEWER) * CALLEES, "what worked is counted", within=150)
    _tell_of_a_rollout(mesh, console, older)
    with _stopped(mesh.nodes["east"]):  # so that it cannot give its callers other certificates
        _revoke(mesh, older)
        _started_again(mesh.nodes["west"])
        _reach(mesh, newer, callees, 200)
        _reach(mesh, older, callees, 503)

    def is_explained() -> bool:
        findings = found().findings
        return bool(findings) and FleetValueShape(dimension="client Envoy", value=OLD) in findings[0].values

    until(lambda: found().failing_links == OLDER * CALLEES, "every failed link is told")
    until(is_explained, "their build is named")
    (finding,) = found().findings
    assert (finding.failing_links, finding.links, found().links) == (9, 9, (OLDER + NEWER) * CALLEES)
    assert finding.since == (f"{VERSION} (ci {REFERENCE})",)
    said = mesh.run("diagnose", "--fleet", "--since", "1h", "--server-socket", str(mesh.server.admin)).stdout
    assert re.fullmatch(LINE, said.splitlines()[0]), said
    shown = asyncio.run(_shown(mesh, f"http://{console}"))
    assert re.search(LINE, shown), shown


_Members = tuple[Member, ...]


def _callers_on_two_builds(mesh: Mesh, console: str) -> tuple[_Members, _Members, list[str]]:
    """The older ones, the newer ones, and whom both reach."""
    older, newer, callees = ([f"{kind}-{at}" for at in range(many)] for kind, many in _KINDS)
    for name in older:
        _older_envoy(mesh.folder / f"envoy-{name}")
    callers = [*older, *newer]
    # On one node each: where it may run it has a certificate, and the newest is the one that is revoked.
    placed = mesh.members(*callers, *callees, **dict.fromkeys(callers, callees))
    members = tuple(replace(one, nodes=("east" if one.name in callers else "west",)) for one in placed)
    mesh.start_server("--listen-console", console)
    mesh.apply(Repository(members))
    east, west = mesh.join("east"), mesh.join("west", address=free_loopback(PORTS))
    mesh.start_sidecars(*members[: len(callers)], node=east)
    mesh.start_sidecars(*members[len(callers) :], node=west)
    until(mesh.server.all_held, "everyone holds what they should")
    _reach(mesh, members[: len(callers)], callees, 200)
    return members[:OLDER], members[OLDER : len(callers)], callees


@contextmanager
def _stopped(node: Node) -> Iterator[None]:
    os.kill(node.part.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.part.pid, signal.SIGCONT)


def _started_again(node: Node) -> None:
    """What was open before would be refused by a rule, without a handshake. Nobody calls meanwhile, or that would be a
    failure of everyone's."""
    for part in node.sidecars.values():
        part.stop()
        part.start()
    until(lambda: all(one.said().count("is served") == 2 for one in node.sidecars.values()), "they are there again")


_KINDS = (("older", OLDER), ("newer", NEWER), ("callee", CALLEES))


def _older_envoy(path: Path) -> None:
    binary = ROOT / ".cache" / "envoy" / OLD / "envoy"
    if not binary.is_file():
        pytest.fail(f"Envoy {OLD} is not there; run scripts/envoy_builds.sh", pytrace=False)
    try:
        path.hardlink_to(binary)  # by another name, for its path says whose process it is
    except OSError:  # another file system
        shutil.copy2(binary, path)


def _reach(mesh: Mesh, callers: tuple[Member, ...], callees: list[str], answer: int) -> None:
    address, seen = mesh.node.address, dict[str, int]()

    def all_answer() -> bool:
        for one, to in product(callers, callees):
            seen[f"{one.name} to {to}"] = status(address, one.listen(to))
        return set(seen.values()) == {answer}

    try:
        until(all_answer, f"all are answered {answer}")
    except AssertionError:
        sys.stderr.write(f"answered instead: {seen}\n")
        raise


def _tell_of_a_rollout(mesh: Mesh, console: str, members: tuple[Member, ...]) -> None:
    made = mesh.run("rollouts", "token", "create", "ci", "--server-socket", str(mesh.server.admin))
    told = {"reference": REFERENCE, "version": VERSION, "services": [one.service for one in members]}
    request = urllib.request.Request(
        f"http://{console}/api/rollouts",
        json.dumps({**told, "started": datetime.now(UTC).isoformat()}).encode(),  # noqa: TID251 - told as from outside
        {"Authorization": f"Bearer {made.stdout.split()[0]}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - an address above
        assert json.load(answer)["unknown_services"] == []


def _revoke(mesh: Mesh, members: tuple[Member, ...]) -> None:
    server = admin.server(mesh.server.admin)
    for one in members:
        found = server.get("/v1/explain", ExplanationShape, query=one.spiffe_id)
        assert found.certificate is not None
        order = RevokeCertificateRequest(serial=found.certificate.serial, reason="key-compromise")
        server.post("/v1/revocations/certificates", RevocationShape, order)


async def _shown(mesh: Mesh, url: str) -> str:
    """What a person reads on the page of failures."""
    account = AccountRequest(name="ada", role="viewer", password=PASSWORD)
    admin.server(mesh.server.admin).post("/v1/accounts", AccountShape, account)
    async with tab(browser()) as page:
        await page.go(f"{url}/failures")
        fill = f"name.value = 'ada'; password.value = {PASSWORD!r}; document.querySelector('main button').click()"
        await page.run(f"(({{ name, password }}) => {{ {fill} }})(document.querySelector('.sign-in').elements)")
        await page.until("location.pathname === '/failures' && document.readyState === 'complete'")
        if folder := os.environ.get("TRUSTPLANE_SCREENSHOTS"):
            await page.wear(dark=False, width=1280)
            Path(folder, "failures-of-one-build.png").write_bytes(await page.picture())  # noqa: ASYNC240 - of a test
        return str(await page.run("document.querySelector('main').innerText"))

"""Proposed by one person and approved by another, in the console of a real server that is killed in between.

1. It is killed after the approval and before the act: it says so at its next start, and nothing was done.
2. It is proposed and approved again, and done.
3. It is killed after the act: it finds at its next start that it was done, and does not do it again.
4. A change of root is proposed and approved, and goes on by itself.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.kit.console import PASSWORD
from tests.kit.tree import ROOT
from trustplane.cli.admin import Admin
from trustplane.fault import Unavailable
from trustplane.main.envoy_bench import free_port
from trustplane.wire import http_people_shapes as people
from trustplane.wire.http_proposal_shapes import ProposalShape
from trustplane.wire.http_rotation_shapes import RotationStatusShape
from trustplane.wire.http_shapes import AuditEntriesShape, RevocationsShape

pytestmark = [pytest.mark.scenario, pytest.mark.network, pytest.mark.long]

UP_WITHIN_SECONDS = 120.0
GONE, OLD = (f"spiffe://acme.example/ns/shop/sa/{name}" for name in ("gone", "old"))


@dataclass(slots=True)
class Person:
    """A browser with one person signed in."""

    url: str
    name: str
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.send("/sign-in", "/sign-in", name=self.name, password=PASSWORD, next="/")

    def get(self, path: str) -> str:
        return self._kept(httpx.get(self.url + path, headers=self._sent(), timeout=60)).text

    def send(self, page: str, path: str, **fields: str) -> str:
        """Where one is led on to."""
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get(page))
        data = {"form_token": token[1] if token else "", **fields}
        headers = {"sec-fetch-site": "same-origin", "origin": self.url, **self._sent()}
        answer = self._kept(httpx.post(self.url + path, data=data, headers=headers, timeout=60))
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def propose(self, kind: str, **fields: str) -> str:
        return self.send("/", f"/propose/{kind}", why="left the company", **fields)

    def approve(self, page: str) -> str:
        digest = re.search(r'name="digest" value="([0-9a-f]+)"', self.get(page))
        assert digest is not None
        return self.send(page, page, decision="approve", digest=digest[1], word="looked at its callers")

    def _sent(self) -> dict[str, str]:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items() if value)
        return {"cookie": kept} if kept else {}

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer


@dataclass(slots=True)
class Server:
    folder: Path
    console: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    doors: tuple[str, str] = field(default_factory=lambda: (f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"))

    @property
    def admin(self) -> Admin:
        return Admin(self.folder / "s.sock", "server", "none")

    @contextlib.contextmanager
    def running(self, dies: str = "never") -> Iterator[subprocess.Popen[bytes]]:
        node, enrolment = self.doors
        options = (
            "--trust-domain",
            "acme.example",
            "--data-dir",
            str(self.folder / "d"),
            "--listen-console",
            self.console,
        )
        doors = ("--listen-node", node, "--listen-enrolment", enrolment, "--server-socket", str(self.folder / "s.sock"))
        command = [sys.executable, "-m", "tests.kit.dying_server", dies, "server", "run", *options, *doors]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: self.answers(process))
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)

    def answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self.folder / "log").read_text()
        try:
            self.admin.get("/v1/accounts", people.AccountsShape)
            return httpx.get(f"http://{self.console}/sign-in", timeout=60).status_code == 200
        except (Unavailable, httpx.TransportError):
            return False

    def add(self, name: str, role: str) -> None:
        body = people.AccountRequest(name=name, role=role, password=PASSWORD)
        self.admin.post("/v1/accounts", people.AccountShape, body)

    def people(self) -> tuple[Person, Person]:
        return Person(f"http://{self.console}", "ada"), Person(f"http://{self.console}", "grace")

    def proposal(self, number: int) -> ProposalShape:
        return self.admin.get(f"/v1/proposals/{number}", ProposalShape)

    def revoked(self) -> dict[str, str]:
        found = self.admin.get("/v1/revocations", RevocationsShape).revocations
        return {one.subject: one.by for one in found}

    def log(self, event: str) -> list[dict[str, object]]:
        found = self.admin.get("/v1/audit/entries", AuditEntriesShape).entries
        bodies = [json.loads(one.body) for one in found]
        return [one for one in bodies if one["event"] == event]


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + UP_WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < give_up, "it does not come about"
        time.sleep(0.2)


def is_killed_while_approving(server: Server, dies: str, spiffe_id: str) -> None:
    with server.running(dies) as process:
        if dies == "before":
            server.add("ada", "operator")
            server.add("grace", "approver")
        ada, grace = server.people()
        page = ada.propose("revoke-id", of=spiffe_id, reason="privilege-withdrawn")
        with pytest.raises(httpx.TransportError):
            grace.approve(page)
        assert process.wait(timeout=60) == -9


def test_what_two_people_decided_is_done_once_whenever_the_server_is_killed(socket_dir: Path) -> None:
    server = Server(socket_dir)
    is_killed_while_approving(server, "before", GONE)
    with server.running():
        one = server.proposal(1)
        assert (one.phase, one.told.partition(":")[0]) == ("failed", "interrupted")
        assert server.revoked() == {}
        assert [each["done"] for each in server.log("proposal-outcome")] == [False]
        ada, grace = server.people()
        grace.approve(ada.propose("revoke-id", of=GONE, reason="privilege-withdrawn"))
        assert server.proposal(2).phase == "carried out"
        assert server.revoked() == {GONE: "console:ada, approved by console:grace (proposal 2)"}
    is_killed_while_approving(server, "after", OLD)
    with server.running():
        assert server.proposal(3).phase == "carried out"
        assert server.revoked()[OLD] == "console:ada, approved by console:grace (proposal 3)"
        assert len([each for each in server.log("revocation-intent") if each["what"] == [f"id {OLD}"]]) == 1
        ada, grace = server.people()
        grace.approve(ada.propose("start-root-change", of=""))

        def is_switched() -> bool:
            going = server.admin.get("/v1/rotation", RotationStatusShape).rotation
            assert going is not None
            assert going.by == "console:ada, approved by console:grace (proposal 4)"
            return going.phase == "drain"

        until(is_switched)

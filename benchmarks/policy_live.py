"""How long after it was handed to the server a changed rule binds, under load, and what that costs: no wrong verdict.

A server, an agent and three sidecars, as installed. `web` may charge `pay` all the time and asks so many times a
second; `clerk` may in turn, and asks over one open connection again and again. The clock runs from handing the
repository to the server's admin socket until the answer to clerk's first request with the other verdict. A verdict is
wrong if it is the former one after that, or the other one before the change was handed over; a request of web's must
never fail.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks._figures import goal, load, percentile, small, spread, tell
from tests.kit.mesh import Mesh, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic, status
from trustplane.cli import admin
from trustplane.wire.http_shapes import AppliedShape, RepositoryRequest

CHANGES = 2 if small() else 20
A_SECOND = 50.0 if small() else 500.0
CALLERS = 2 if small() else 10
AFTERWARDS = 20  # requests that are looked at after each change
OPEN, CLOSED = 200, 403
WEB = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);\n'
CLERK = WEB.replace("web", "clerk")
POLICY = "services/shop/pay/policy.cedar"


@dataclass(frozen=True, slots=True)
class Asked:
    sent: float
    answered: float
    status: int


@dataclass
class Clerk:
    """One open connection, and everything that was answered on it."""

    address: str
    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
        while not self._stop.is_set():
            self.connections += connection.sock is None
            sent = time.monotonic()
            try:
                connection.request("POST", "/charge", b"{}")
                answer = connection.getresponse()
                answer.read()
                self.asked.append(Asked(sent, time.monotonic(), answer.status))
            except (OSError, http.client.HTTPException):
                self.asked.append(Asked(sent, time.monotonic(), 0))
                connection.close()
            time.sleep(0.002)
        connection.close()

    def first_with(self, status: int, since: float) -> Asked | None:
        return next((one for one in self.asked if one.sent >= since and one.status == status), None)


@dataclass(frozen=True, slots=True)
class Change:
    """Seconds to the first request that was judged by the new rules, and what was judged wrongly on the way."""

    opens: bool
    seconds: float
    wrong: int


def change(mesh: Mesh, clerk: Clerk, files: dict[str, str], *, opens: bool) -> Change:
    before, after = (CLOSED, OPEN) if opens else (OPEN, CLOSED)
    seen = len(clerk.asked)
    began = time.monotonic()
    admin.server(mesh.server.admin).post("/v1/revisions", AppliedShape, RepositoryRequest(files=files))
    until(lambda: clerk.first_with(after, began), f"clerk is answered {after}")
    first = next(one for one in clerk.asked if one.sent >= began and one.status == after)
    until(lambda: len(clerk.asked) > clerk.asked.index(first) + AFTERWARDS, "more was asked")
    wrong = sum(
        one.status not in ({before} if one.answered < began else {before, after})
        or (one.sent > first.answered and one.status != after)
        for one in clerk.asked[seen:]
    )
    return Change(opens, first.answered - began, wrong)


@dataclass(frozen=True, slots=True)
class Measured:
    changes: Sequence[Change]
    answered: int
    failed: int
    a_second: float
    connections: int


def measured(folder: Path) -> Measured:
    with Mesh(folder) as mesh:
        repository = Repository(mesh.members("web", "clerk", "pay", web=["pay"], clerk=["pay"]))
        closed = replace(repository, further={POLICY: WEB})
        mesh.start_server()
        mesh.apply(closed)
        mesh.join()
        mesh.start_sidecars(*repository.members)
        web, clerk = (repository[name].listen("pay") for name in ("web", "clerk"))
        until(lambda: (status(mesh.address, web), status(mesh.address, clerk)) == (OPEN, CLOSED), "the mesh is up")
        asks = Clerk(mesh.address, clerk)
        with Traffic(mesh.address, {"pay": web}, CALLERS, A_SECOND) as counts, asks.asking():
            until(lambda: counts.good > AFTERWARDS and len(asks.asked) > AFTERWARDS, "both ask")
            opened = replace(repository, further={POLICY: WEB + CLERK})
            files = {True: opened.files(), False: closed.files()}
            found = [change(mesh, asks, files[turn % 2 == 0], opens=turn % 2 == 0) for turn in range(CHANGES)]
            took = time.monotonic() - counts.since
        return Measured(found, counts.good, counts.wrong.total(), counts.good / took, asks.connections)


def main() -> None:
    loads = [load()]
    with tempfile.TemporaryDirectory(prefix="tp-", dir="/tmp") as folder:
        found = measured(Path(folder))
    times = [one.seconds for one in found.changes]
    figures = {
        "live_p99_s": goal(round(percentile(times, 0.99), 3), below=1.0),
        "opened_s": spread([one.seconds for one in found.changes if one.opens]),
        "closed_s": spread([one.seconds for one in found.changes if not one.opens]),
        "wrong_verdicts": sum(one.wrong for one in found.changes),
        "failed_allowed_requests": found.failed,
        "allowed_requests": found.answered,
        "allowed_a_second": round(found.a_second),
        "connections_of_the_other_caller": found.connections,
    }
    tell("policy_live", figures, [*loads, load()])


if __name__ == "__main__":
    main()

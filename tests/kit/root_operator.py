"""Whoever changes a domain's root by its servers' sockets, any of which may be dead at the moment."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from tests.kit.mesh import Mesh, Node, until
from tests.kit.root_witness import Change
from trustplane.cli import admin
from trustplane.fault import Fault, Refused
from trustplane.wire.http_rotation_shapes import RotationRequest, RotationShape, RotationStatusShape
from trustplane.wire.http_shapes import AuditEntriesShape, AuditEntryShape, AuditHeadShape

_PAGE = 1000
_PATIENCE_SECONDS = 90.0

Answer = TypeVar("Answer")


class RootOperator:
    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.last_phase = ""  # when it was asked last
        self._read = 0  # of the audit log, before the change under way

    def start(self, reason: str) -> None:
        self._read = self._any(lambda asks: asks.get("/v1/audit/head", AuditHeadShape)).size
        self._said("/v1/rotations", RotationRequest(reason=reason), "rotation-under-way")

    def status(self) -> RotationStatusShape:
        return self._any(lambda asks: asks.get("/v1/rotation", RotationStatusShape))

    def phase(self) -> str:
        found = self.status().rotation
        self.last_phase = found.phase if found else ""
        return self.last_phase

    def waits_for(self, node: Node, phase: str) -> bool:
        """Whether it is that far, and names that node's agent, in its cluster if it is in one."""
        found = self.status()
        named = {(one.participant, one.cluster) for one in found.waiting}
        cluster = node.name.replace("node", "cluster") if found.clusters else None
        return found.rotation is not None and found.rotation.phase == phase and (f"agent {node.name}", cluster) in named

    def until(self, phase: str, within: float) -> None:
        until(lambda: self.phase() == phase, f"the change of {self.mesh.domain} is at {phase}: {self}", within)

    def __str__(self) -> str:
        with contextlib.suppress(Fault, AssertionError):
            status = self.status()
            waiting = [f"{one.participant} {one.what}" for one in status.waiting]
            return f"{status.rotation.phase if status.rotation else '-'}, waits for {waiting}"
        return "nobody answers"

    def told(self) -> Change:
        """The change that is done, as the audit log tells it."""
        entries = [one for one in self._entries() if str(one["event"]).startswith("root-change-")]
        acts = {(one["event"], one["action"]): one for one in entries}
        switch = acts["root-change-intent", "switch"]
        roots = switch["about"]
        assert isinstance(roots, dict)
        # The first intent that came to something; one that was void changed nothing.
        return Change(
            self.mesh.domain,
            roots["leaving"][:40],
            roots["coming"][:40],
            switched=_first_done(entries, "switch"),
            retired=_first_done(entries, "retire"),
        )

    def phases(self) -> list[tuple[str, datetime]]:
        """When each phase began; one may begin again."""
        return [
            (str(one["action"]), datetime.fromisoformat(str(one["at"])))
            for one in self._entries()
            if one["event"] == "root-change-phase"
        ]

    def _entries(self) -> Iterator[dict[str, object]]:
        start = self._read
        while True:
            page = self._page(start)
            yield from (json.loads(one.body) for one in page)
            start += len(page)
            if len(page) < _PAGE:
                return

    def _page(self, start: int) -> Sequence[AuditEntryShape]:
        return self._any(
            lambda asks: asks.get("/v1/audit/entries", AuditEntriesShape, start=start, limit=_PAGE)
        ).entries

    def _said(self, path: str, body: msgspec.Struct | None = None, known: str = "") -> None:
        """A word that was heard although its answer was lost is refused the second time, by that code."""
        try:
            self._any(lambda asks: asks.post(path, RotationShape, body))
        except Refused as refused:
            if refused.code != known:
                raise

    def _any(self, ask: Callable[[admin.Admin], Answer]) -> Answer:
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            for server in list(self.mesh.servers.values()):
                if server.part.alive():
                    try:
                        return ask(admin.server(server.admin))
                    except Refused:
                        raise
                    except (Fault, msgspec.DecodeError):
                        continue
            assert time.monotonic() < give_up, f"no server of {self.mesh.domain} answers"
            time.sleep(0.2)


def _first_done(entries: list[dict[str, object]], action: str) -> datetime:
    """When the intent was written that was followed by an outcome, or by a crash that left the act done."""
    begun: datetime | None = None
    for one in entries:
        if one["action"] != action:
            continue
        if one["event"] == "root-change-intent" and begun is None:
            begun = datetime.fromisoformat(str(one["at"]))
        elif one["event"] == "root-change-outcome" and one["about"]["done"] == "no":  # type: ignore[index]
            begun = None
    assert begun is not None, f"no {action} in the log"
    return begun

"""Which services this node hosts, kept over a restart of the agent. Not a secret; a lost file costs a short flap."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from trustplane.fault import Refused
from trustplane.spiffe.names import ServiceName

MAX_BYTES = 1024 * 1024


class HostingFile:
    def __init__(self, directory: Path) -> None:
        self._path = directory / "hosting.json"

    def load(self) -> frozenset[ServiceName]:
        try:
            with self._path.open("rb") as file:
                names = msgspec.json.decode(file.read(MAX_BYTES), type=list[str])
            return frozenset(map(ServiceName.parse, names))
        except (OSError, msgspec.MsgspecError, Refused):
            return frozenset()

    def save(self, services: frozenset[ServiceName]) -> None:
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk must not stop the node; the list is a convenience
            fresh.write_bytes(msgspec.json.encode(sorted(map(str, services))))
            fresh.replace(self._path)

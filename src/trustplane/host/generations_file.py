"""Which generations of connections each sidecar's listener has chains for, kept over a restart of the agent.

Not a secret. Where it is lost, connections of before are ended by Envoy's drain instead of by their own end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from trustplane.fault import Refused
from trustplane.spiffe.names import ServiceName
from trustplane.xds.generations import MAX_FORMER

MAX_BYTES = 4 * 1024 * 1024
_Generation = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]
_Generations = Annotated[list[_Generation], msgspec.Meta(max_length=MAX_FORMER + 1)]


class GenerationsFile:
    """Satisfies `flows.node.offer_configuration.Memory`."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "generations.json"

    def load(self) -> Mapping[ServiceName, tuple[str, ...]]:
        try:
            with self._path.open("rb") as file:
                found = msgspec.json.decode(file.read(MAX_BYTES), type=dict[str, _Generations])
            return {ServiceName.parse(name): tuple(some) for name, some in found.items()}
        except (OSError, msgspec.MsgspecError, Refused):
            return {}

    def save(self, generations: Mapping[ServiceName, tuple[str, ...]]) -> None:
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk must not stop the node
            fresh.write_bytes(
                msgspec.json.encode({str(one): some for one, some in sorted(generations.items()) if some})
            )
            fresh.replace(self._path)

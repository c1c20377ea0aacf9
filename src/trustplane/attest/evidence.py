"""What was found out about a calling process, and the selectors that follow from it.

A fact that could not be read is absent: it is never guessed, and an entry that asks for it does not match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.spiffe.selectors import Selector

MAX_GROUPS = 65536  # NGROUPS_MAX


@dataclass(frozen=True, slots=True)
class Evidence:
    """`executable` is set only when that path, as the agent sees it, is the very file the process runs."""

    uid: int
    gid: int
    supplementary_gids: frozenset[int] = frozenset()
    user: str | None = None
    group: str | None = None
    executable: str | None = None
    executable_sha256: str | None = None
    cgroup: str | None = None
    systemd_unit: str | None = None

    def __post_init__(self) -> None:
        if self.uid < 0 or self.gid < 0 or len(self.supplementary_gids) > MAX_GROUPS:
            raise Refused(
                code="bad-evidence",
                what=f"uid {self.uid}, gid {self.gid}, {len(self.supplementary_gids)} groups describe no process",
                why=f"IDs are not negative and the kernel allows {MAX_GROUPS} groups",
                fix="report this with the kernel's version",
            )

    def selectors(self) -> frozenset[Selector]:
        return frozenset(self._facts())

    def _facts(self) -> Iterator[Selector]:
        yield Selector("unix:uid", str(self.uid))
        yield Selector("unix:gid", str(self.gid))
        for gid in self.supplementary_gids:
            yield Selector("unix:supplementary_gid", str(gid))
        for kind, value in (
            ("unix:user", self.user),
            ("unix:group", self.group),
            ("unix:path", self.executable),
            ("unix:sha256", self.executable_sha256),
            ("cgroup:path", self.cgroup),
            ("systemd:unit", self.systemd_unit),
        ):
            if (selector := _selector(kind, value)) is not None:
                yield selector


def _selector(kind: str, value: str | None) -> Selector | None:
    try:
        return Selector(kind, value) if value is not None else None
    except Refused:  # not printable, or too long: no entry can name it either
        return None

"""Reading what the kernel writes about a process: `status` and `cgroup` (proc_pid_status(5), cgroups(7)).

Text that does not look as documented yields no fact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trustplane.attest.evidence import MAX_GROUPS

_NUMBERS = re.compile(r"[0-9 \t]*")
_UNIT = re.compile(r"[^/]+\.(service|scope|socket|mount|swap)")
_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a process now: its effective IDs and its supplementary groups."""

    uid: int
    gid: int
    groups: frozenset[int]


def credentials(status: str) -> Credentials | None:
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    uids, gids, groups = (_numbers(fields.get(name)) for name in ("Uid", "Gid", "Groups"))
    if uids is None or gids is None or groups is None or len(uids) != 4 or len(gids) != 4:
        return None
    return Credentials(uids[1], gids[1], frozenset(groups[:MAX_GROUPS]))


def _numbers(text: str | None) -> list[int] | None:
    if text is None or not _NUMBERS.fullmatch(text):
        return None
    return [int(one) for one in text.split()]


def cgroup(text: str) -> str | None:
    """The process's place in the unified hierarchy, or in systemd's own where there is no unified one."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found.setdefault(controllers, path)
    path = found.get("name=systemd") or found.get("") or ""
    outside = not path.startswith("/") or "/../" in f"{path}/"  # outside this process's cgroup namespace
    return None if outside or path.endswith(_DELETED) else path


def systemd_unit(path: str) -> str | None:
    """The system unit a cgroup belongs to.

    The first segment below the slices decides. What follows may have been made by the unit itself: systemd delegates
    `user@1000.service` to that user, who can make `system.slice/payments.service` inside it.
    """
    for segment in path.split("/")[1:]:
        if not segment.endswith(".slice"):
            return segment if _UNIT.fullmatch(segment) else None
    return None

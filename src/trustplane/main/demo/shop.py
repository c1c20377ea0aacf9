"""The shop as the demo runs it: the example's own trust repository, with what a demo needs changed in a copy.

Leaves live for a minute instead of an hour, so that renewals can be watched; no issuer is repaired in the quarter of
that which is left at worst, so the budgets are left out. Without root, processes cannot have users
of their own, so each sidecar is told apart by its executable's path instead of its uid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import admitted
from trustplane.host.repository_files import read_directory
from trustplane.registry.layout import TRUST_DOMAIN_FILE
from trustplane.registry.model import DesiredState, Ports, Service
from trustplane.spiffe.names import ServiceName

_LIFETIME = re.compile(rb"^lifetime:.*$", re.MULTILINE)
_BUDGETS = re.compile(rb"^mtt[dr]:.*\n", re.MULTILINE)
_SELECTORS = re.compile(rb"^selectors:.*$", re.MULTILINE)
_SOURCES = Path("examples") / "shop"


@dataclass(frozen=True, slots=True)
class Part:
    """One service of the shop. `uid` is the user its selectors name."""

    name: ServiceName
    ports: Ports
    uid: int
    urls: Mapping[str, int]  # environment variable -> the port its own sidecar opens for that callee

    @property
    def short(self) -> str:
        return self.name.name


@dataclass(frozen=True, slots=True)
class Shop:
    root: Path
    files: Mapping[str, bytes]
    state: DesiredState

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(_part(service) for _, service in sorted(self.state.services.items()))

    @property
    def ports(self) -> tuple[int, ...]:
        listens = [call.listen for service in self.state.services.values() for call in service.calls]
        return (*listens, *(port for part in self.parts for port in (part.ports.app, part.ports.mesh)))

    def with_lifetime(self, lifetime: timedelta) -> Shop:
        line = f"lifetime: {round(lifetime.total_seconds())}s".encode()
        changed = {path: _LIFETIME.sub(line, text) for path, text in self.files.items() if path.startswith("profiles/")}
        changed[TRUST_DOMAIN_FILE] = _BUDGETS.sub(b"", self.files[TRUST_DOMAIN_FILE])
        return self._with(changed)

    def with_executables(self, paths: Mapping[ServiceName, Path]) -> Shop:
        changed = {}
        for name, executable in paths.items():
            path = f"services/{name}/service.yaml"
            changed[path] = _SELECTORS.sub(f'selectors: ["unix:path:{executable}"]'.encode(), self.files[path])
        return self._with(changed)

    def _with(self, changed: Mapping[str, bytes]) -> Shop:
        files = {**self.files, **changed}
        return Shop(self.root, files, admitted(files))


def find_shop(chosen: Path | None) -> Shop:
    """The example given, or the one of this checkout or installation."""
    package = Path(__file__).resolve().parents[2]
    candidates = [chosen] if chosen else [package.parents[1] / _SOURCES, package / _SOURCES]
    for root in candidates:
        if (root / "trust").is_dir() and (root / "services").is_dir():
            files = read_directory(root / "trust")
            return Shop(root, files, admitted(files))
    raise Refused(
        code="no-shop",
        what="the example shop is not there",
        why=f"neither of {', '.join(map(str, candidates))} has a trust and a services directory",
        fix="run the demo from a checkout, or name the example with --shop DIR",
    )


def _part(service: Service) -> Part:
    if service.ports is None:
        raise Refused(
            code="no-ports",
            what=f"{service.name} has no ports",
            why="the demo runs every service of the example behind a sidecar",
            fix="give it ports: {app: ..., mesh: ...}",
        )
    uids = [int(one.value) for one in service.selectors if one.kind == "unix:uid"]
    urls = {f"{call.service.name.upper()}_URL": call.listen for call in service.calls}
    return Part(service.name, service.ports, uids[0] if uids else -1, urls)

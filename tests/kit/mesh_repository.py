"""A trust repository for a mesh of tests: who is there, who may call whom, and on which ports.

Ports follow from a service's place in the list, so that a repository with one service more changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

DOMAIN = "acme.example"
NAMESPACE = "shop"
APP, PORTS_A_SERVICE = 21000, 20


@dataclass(frozen=True)
class Member:
    """A service. Its own executable tells its processes from others, so that no test has to be another user."""

    name: str
    number: int
    executable: Path
    calls: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()  # none: the executable's path
    nodes: tuple[str, ...] = ()
    profile: str = "standard"
    domain: str = DOMAIN
    namespace: str = NAMESPACE
    more: str = ""  # further lines of its file

    @property
    def service(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def spiffe_id(self) -> str:
        return f"spiffe://{self.domain}/ns/{self.namespace}/sa/{self.name}"

    @property
    def app(self) -> int:
        return APP + self.number * PORTS_A_SERVICE

    @property
    def mesh(self) -> int:
        return self.app + 1

    def listen(self, callee: str) -> int:
        """Where this member's own sidecar opens that callee."""
        return self.app + 2 + self.calls.index(callee)

    def text(self) -> str:
        lines = [
            f"selectors: {_listed(self.selectors or (f'unix:path:{self.executable}',))}",
            f"nodes: {_listed(self.nodes)}",
            f"profile: {self.profile}",
            f"ports: {{app: {self.app}, mesh: {self.mesh}}}",
            "operations: {charge: POST /charge}",
        ]
        calls = [
            f"  {self.namespace}/{one}: {{operations: [charge], listen: {self.listen(one)}}}" for one in self.calls
        ]
        return "\n".join([*lines, *(["calls:", *calls] if calls else [])]) + f"\n{self.more}"


@dataclass(frozen=True)
class Repository:
    members: tuple[Member, ...]
    lifetime: str = "1h"
    renew: str = "50%-75%"
    profiles: Mapping[str, str] = field(default_factory=dict)  # name -> key kind, beside `standard`
    readers: tuple[str, ...] = ()
    domain: str = DOMAIN
    namespace: str = NAMESPACE
    more: str = ""  # further lines of trustdomain.yaml
    further: Mapping[str, str] = field(default_factory=dict)  # files, by their paths

    def __getitem__(self, name: str) -> Member:
        return next(one for one in self.members if one.name == name)

    def calling(self, caller: str, *callees: str) -> Repository:
        """The same, with `caller` calling exactly these."""
        changed = [replace(one, calls=callees) if one.name == caller else one for one in self.members]
        return replace(self, members=tuple(changed))

    def without(self, name: str) -> Repository:
        kept = [one for one in self.members if one.name != name]
        return replace(
            self, members=tuple(replace(one, calls=tuple(c for c in one.calls if c != name)) for one in kept)
        )

    def files(self) -> dict[str, str]:
        found = {
            "trustdomain.yaml": f"trust_domain: {self.domain}\nreaders: {_listed(self.readers)}\n{self.more}",
            "namespaces.yaml": f"{self.namespace}: {{owners: [shop-team]}}\n",
            **self.further,
        }
        for name, key in {"standard": "p256", **self.profiles}.items():
            times = f"lifetime: {self.lifetime}\nbackdate: 30s\nrenew: {self.renew}\n"
            found[f"profiles/{name}.yaml"] = f"version: 1\nkey: {key}\n{times}"
        found.update({f"services/{self.namespace}/{one.name}/service.yaml": one.text() for one in self.members})
        return found

    def write(self, folder: Path) -> Path:
        for path, text in self.files().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder


def _listed(items: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{one}"' for one in items) + "]"

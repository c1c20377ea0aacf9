"""Which services of a trust repository rehearse a change of root, and the repository of their throw-away mesh.

Names, profiles and who calls whom are the repository's; lives are short, ports are the rehearsal's, and each service
offers one operation that its callers may use: whom a certificate convinces does not depend on what is asked for then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trustplane.fault import Refused
from trustplane.registry.model import DesiredState, Profile, Service
from trustplane.spiffe.names import ServiceName

FIRST_PORT, PORTS_A_SERVICE = 20440, 20
LONGEST_REQUEST = timedelta(seconds=5)  # of the copy at most: connections get as old as this makes them


@dataclass(frozen=True, slots=True)
class Edge:
    """A call of the sample. `listen` is where the caller's sidecar opens it."""

    caller: ServiceName
    callee: ServiceName
    listen: int

    def __str__(self) -> str:
        return f"{self.caller} -> {self.callee}"


@dataclass(frozen=True, slots=True)
class Sample:
    """Services in the order in which calls lead from one to the next, alternately on two nodes."""

    state: DesiredState
    services: tuple[Service, ...]

    @property
    def edges(self) -> tuple[Edge, ...]:
        names = [one.name for one in self.services]
        return tuple(
            Edge(one.name, callee, self.app(one.name) + 2 + number)
            for one in self.services
            for number, callee in enumerate(callee for callee in _callees(one) if callee in names)
        )

    @property
    def ports(self) -> tuple[int, ...]:
        apps = [self.app(one.name) for one in self.services]
        return (*apps, *(app + 1 for app in apps), *(edge.listen for edge in self.edges))

    def app(self, name: ServiceName) -> int:
        return FIRST_PORT + PORTS_A_SERVICE * [one.name for one in self.services].index(name)

    def node(self, name: ServiceName) -> int:
        return [one.name for one in self.services].index(name) % 2

    def files(self, lifetime: timedelta, executables: Mapping[ServiceName, Path]) -> dict[str, str]:
        profiles = {one.profile for one in self.services} | {self.state.default_profile}
        return {
            "trustdomain.yaml": f"trust_domain: {self.state.trust_domain}\n"
            f"default_profile: {self.state.default_profile}\n",
            "namespaces.yaml": "".join(
                f"{name}: {{owners: [rehearsal]}}\n" for name in sorted({one.name.namespace for one in self.services})
            ),
            **{f"profiles/{name}.yaml": _profile(self.state.profiles[name], lifetime) for name in profiles},
            **{f"services/{one.name}/service.yaml": self._service(one, executables[one.name]) for one in self.services},
        }

    def _service(self, one: Service, executable: Path) -> str:
        app, longest = self.app(one.name), min(one.longest_request, LONGEST_REQUEST)
        calls = "".join(
            f"  {edge.callee}: {{operations: [ask], listen: {edge.listen}}}\n"
            for edge in self.edges
            if edge.caller == one.name
        )
        return (
            f'selectors: ["unix:path:{executable}"]\nnodes: [node-{self.node(one.name)}]\nprofile: {one.profile}\n'
            f"ports: {{app: {app}, mesh: {app + 1}}}\noperations: {{ask: GET /ask}}\n"
            f"longest_request: {longest.total_seconds():.0f}s\n" + (f"calls:\n{calls}" if calls else "")
        )


def sample(state: DesiredState, most: int) -> Sample:
    """Those that calls join, the busiest callers first."""
    chosen: dict[ServiceName, None] = {}
    for pair in _pairs(state):
        if len(chosen.keys() | set(pair)) <= most:
            chosen |= dict.fromkeys(pair)
    if not chosen:
        raise Refused(
            code="nothing-to-rehearse",
            what="no service of this repository calls another one through its sidecar",
            why="a change of root is rehearsed under calls; both sides of one need ports",
            fix="declare ports and calls in service.yaml, or leave out the directory for the shipped example",
        )
    return Sample(state, tuple(state.services[name] for name in chosen))


def _pairs(state: DesiredState) -> Iterator[tuple[ServiceName, ServiceName]]:
    behind_sidecars = {name: one for name, one in state.services.items() if one.ports is not None}
    busiest = sorted(behind_sidecars.values(), key=lambda one: (-len(one.calls), one.name))
    for caller in busiest:
        yield from ((caller.name, callee) for callee in _callees(caller) if callee in behind_sidecars)


def _callees(service: Service) -> list[ServiceName]:
    return sorted({call.service for call in service.calls})


def _profile(profile: Profile, lifetime: timedelta) -> str:
    window = f"{profile.renew.opens:.0%}-{profile.renew.closes:.0%}"
    lives, backdate = (f"{one.total_seconds():.0f}s" for one in (lifetime, profile.backdate))
    shape = f"version: {profile.version}\nkey: {profile.key.value}\n"
    return f"{shape}lifetime: {lives}\nbackdate: {backdate}\nrenew: {window}\n"

"""Two trust domains over hosts of one switched network: three clusters of ours, and a partner.

    server-1 server-2 server-3   one database; each a host, as every one of these
    near-1   near-2   near-3     an agent with the sidecars of web and pay: the cluster of that number
    partner-server, partner      another domain's server; its agent with the sidecars of api and desk

Every web calls the pay of its own cluster and of the next one, and api calls desk; across the domains each pay is
called by api, and desk by each web. Servers and agents have hosts of their own: they can be parted while calls go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tests.kit.mesh import FEDERATION_PORT, Mesh, Node, Server, until
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from tests.kit.steady_load import App, Line
from trustplane.cli import admin
from trustplane.host.network_namespaces import Host, Network
from trustplane.wire.http_federation_shapes import FederationShape

PARTNER, BILLING = "partner.example", "billing"
FOREIGN_CALL = 10  # a foreign callee's listener, counted from the caller's own port
AT_ONCE = 3  # processes that start side by side
EARLY = "10%-20%"  # a leaf renewed so early has most of its life left whatever happens to its agent

_RELATION = """refresh_hint: 5s
federation:
  {domain}:
    endpoint: https://{address}:{port}/bundle
    profile: https_spiffe
    endpoint_id: spiffe://{domain}/trustplane/server/{server}
    accepts: [{accepts}]
"""


@dataclass
class Two:
    ours: Mesh
    theirs: Mesh
    net: Network
    hosts: dict[str, Host]
    members: dict[str, tuple[Member, Node]]  # by name: services of both domains, and where each is
    lines: tuple[Line, ...]

    @property
    def meshes(self) -> tuple[Mesh, Mesh]:
        return self.ours, self.theirs

    @property
    def apps(self) -> list[App]:
        return [App(name, self.host_of(node), member.app) for name, (member, node) in self.members.items()]

    def host_of(self, place: Node | Server) -> Host:
        return next(one for one in self.hosts.values() if one.address == place.address)

    def admin_sockets(self) -> dict[str, Path]:
        """Of each service's Envoy."""
        folders = {True: self.ours.folder, False: self.theirs.folder}
        return {
            name: folders[member.domain == DOMAIN] / f"run-{name}" / "admin.sock"
            for name, (member, _) in self.members.items()
        }


@dataclass(frozen=True)
class Shape:
    """How many clusters are ours, and how the services of both domains are described."""

    clusters: int
    life: str
    longest_request: str


@contextlib.contextmanager
def two_domains(folder: Path, net: Network, database: str, shape: Shape, options: Sequence[str] = ()) -> Iterator[Two]:
    """Everything is up, and nobody has called anybody yet. `options` go to every server."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    with Mesh(folder / "a") as ours, Mesh(folder / "b", PARTNER, BILLING) as theirs:
        yield _Builder(ours, theirs, net, shape).built(database, options)


class _Builder:
    def __init__(self, ours: Mesh, theirs: Mesh, net: Network, shape: Shape) -> None:
        self.ours, self.theirs, self.shape = ours, theirs, shape
        self.numbers = range(1, shape.clusters + 1)
        own = [f"{kind}-{number}" for number in self.numbers for kind in ("server", "near")]
        self.hosts = {name: net.host(name) for name in (*own, "partner-server", "partner")}
        self.net = net

    def built(self, database: str, options: Sequence[str]) -> Two:
        self._start_servers(database, options)
        us, them = self._members()
        self._apply(us, them)
        self._introduce()
        members = self._join(us, them)
        return Two(self.ours, self.theirs, self.net, self.hosts, members, tuple(self._lines(members)))

    def _start_servers(self, database: str, options: Sequence[str]) -> None:
        passphrase = self.ours.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("correct horse battery staple\n")
        shared = ("--database-url", database, "--passphrase-file", str(passphrase), *options)
        first, *others = self.numbers
        with ThreadPoolExecutor(AT_ONCE) as pool:
            own = pool.submit(self._server, self.ours, f"server-{first}", f"server-{first}", shared)
            wait_for([own, pool.submit(self._server, self.theirs, "partner-server", "server-1", options)])
            wait_for(pool.submit(self._server, self.ours, f"server-{one}", f"server-{one}", shared) for one in others)

    def _server(self, mesh: Mesh, host: str, name: str, options: Sequence[str]) -> None:
        address = mesh.at(self.hosts[host])
        mesh.start_server("--listen-federation", f"{address}:{FEDERATION_PORT}", *options, name=name, address=address)

    def _members(self) -> tuple[list[Member], list[Member]]:
        calls = {f"web-{n}": sorted({f"pay-{n}", f"pay-{n % len(self.numbers) + 1}"}) for n in self.numbers}
        names = [f"{kind}-{n}" for n in self.numbers for kind in ("web", "pay")]
        us = [replace(one, nodes=(f"node-{one.name[-1]}",)) for one in self.ours.members(*names, **calls)]
        them = [replace(one, nodes=("node-b",)) for one in self.theirs.members("api", "desk", api=["desk"])]
        api, desk = them
        pays, webs = [one for one in us if one.name.startswith("pay")], us[::2]
        us = [
            replace(one, more=_lets_in(api) if one in pays else _calls(one, [desk], self.hosts["partner"]))
            for one in us
        ]
        near = [self.hosts[f"near-{n}"] for n in self.numbers]
        desk = replace(desk, more=_lets_in(*webs))
        api = replace(api, more=_calls(api, pays, *near))
        limit = f"longest_request: {self.shape.longest_request}\n"
        return [replace(one, more=one.more + limit) for one in us], [
            replace(one, more=one.more + limit) for one in (api, desk)
        ]

    def _apply(self, us: Sequence[Member], them: Sequence[Member]) -> None:
        """Each side's first bundle reaches the other by another way than the network."""
        sides = (
            (self.ours, us, self.theirs, "partner-server", "/ns/billing/"),
            (self.theirs, them, self.ours, "server-1", "/ns/shop/"),
        )
        for mesh, members, other, host, accepts in sides:
            relation = _RELATION.format(
                domain=other.domain,
                address=self.hosts[host].address,
                port=FEDERATION_PORT,
                server="server-1",
                accepts=accepts,
            )
            mesh.apply(
                Repository(
                    tuple(members),
                    lifetime=self.shape.life,
                    renew=EARLY,
                    domain=mesh.domain,
                    namespace=mesh.namespace,
                    more=relation + (self._clusters() if mesh is self.ours else ""),
                    further={f"federation/{other.domain}.json": _bundle(other)},
                )
            )

    def _clusters(self) -> str:
        lines = (f"  cluster-{n}: {{nodes: [node-{n}], servers: [server-{n}]}}\n" for n in self.numbers)
        return "clusters:\n" + "".join(lines)

    def _introduce(self) -> None:
        """The bundles that were handed over are older than the refresh hints that were applied since."""
        for mesh, other in ((self.ours, self.theirs), (self.theirs, self.ours)):
            asked = admin.server(mesh.server.admin).post(f"/v1/federation/{other.domain}/refresh", FederationShape)
            assert not asked.peers[0].failure, asked

    def _join(self, us: Sequence[Member], them: Sequence[Member]) -> dict[str, tuple[Member, Node]]:
        nodes = [*(self._agent(self.ours, f"node-{n}", f"near-{n}", f"server-{n}") for n in self.numbers)]
        nodes.append(self._agent(self.theirs, "node-b", "partner", "server-1"))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            wait_for(pool.submit(self.theirs.start if node is nodes[-1] else self.ours.start, node) for node in nodes)
        found = {one.name: (one, node) for one in (*us, *them) for node in nodes if one.nodes == (node.name,)}
        for member, at in found.values():
            mesh = self.ours if member.domain == DOMAIN else self.theirs
            at.sidecars[member.name] = mesh.sidecar(member, at)
        for name, (_, at) in found.items():
            part = at.sidecars[name]
            until(lambda part=part: "is served" in part.said(), f"{name} is served\n{part.last_words()}", 120.0)  # type: ignore[misc] # bound at once
        return found

    def _agent(self, mesh: Mesh, name: str, host: str, server: str) -> Node:
        """It tries the servers in the order it is told them: that of its own cluster before the others."""
        mesh.servers = {server: mesh.servers[server], **mesh.servers}
        address = mesh.at(self.hosts[host])
        return mesh.agent(name, "--join-token-file", str(mesh.token(name)), address=address)

    def _lines(self, members: dict[str, tuple[Member, Node]]) -> Iterator[Line]:
        """Every call that is declared."""
        for member, node in members.values():
            host = next(one for one in self.hosts.values() if one.address == node.address)
            for callee in member.calls:
                kind = "inside" if members[callee][1] is node else "between clusters"
                yield Line(kind, host, member.listen(callee), callee)
        yield Line("into ours", self.hosts["partner"], members["api"][0].app + FOREIGN_CALL, "pay-1")
        for number in self.numbers:
            web = members[f"web-{number}"][0]
            yield Line("into theirs", self.hosts[f"near-{number}"], web.app + FOREIGN_CALL, "desk")
            if number > 1:
                yield Line(
                    "into ours",
                    self.hosts["partner"],
                    members["api"][0].app + FOREIGN_CALL + number - 1,
                    f"pay-{number}",
                )


def _bundle(mesh: Mesh) -> str:
    """As it is now, and where the domain's agents will look for it."""
    found = admin.server(mesh.server.admin).raw("/bundle")
    (mesh.folder / "bundle.json").write_bytes(found)
    return found.decode()


def wait_for(started: Iterable[Future[None]]) -> None:
    for one in list(started):
        one.result()


def _lets_in(*callers: Member) -> str:
    return "foreign_callers:\n" + "".join(f"  {one.spiffe_id}: {{operations: [charge]}}\n" for one in callers)


def _calls(caller: Member, callees: Sequence[Member], *hosts: Host) -> str:
    lines = ["foreign_calls:"]
    for place, (callee, at) in enumerate(zip(callees, hosts, strict=True)):
        terms = f"listen: {caller.app + FOREIGN_CALL + place}, endpoints: ['{at.address}:{callee.mesh}']"
        lines.append(f"  {callee.spiffe_id}: {{{terms}}}")
    return "\n".join(lines) + "\n"

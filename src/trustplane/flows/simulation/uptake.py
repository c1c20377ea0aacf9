"""What the servers of a simulated fleet were told by its nodes, as the records that the survey reads.

The survey is production's, `flows.roots.survey_trust`, over the same records as in production. Only those who said
something new are surveyed again: what is seen of one follows from what that one said and from what all have in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from trustplane.fault import Broken
from trustplane.flows.roots.leaf_roots import Whose
from trustplane.flows.roots.survey_trust import BUNDLE, PROBED, SECRET, Published, SurveyTrust, held_by_server
from trustplane.flows.simulation.root_scenario import RootScenario
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding, Hosting
from trustplane.registry.view import Withdrawn
from trustplane.rotation.root_change import Participant, ParticipantKind, RootChange, Seen, Survey
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, default_id
from trustplane.trust.authority import Authority, AuthorityId

SERVER = NodeName("server-1")
_AGENT, _SIDECAR = ParticipantKind.AGENT, ParticipantKind.SIDECAR
_SERIAL = 1  # whose leaf it is stands in its content

Answer = TypeVar("Answer")


@lru_cache(maxsize=1 << 20)
def node_name(node: int) -> NodeName:
    return NodeName(f"node-{node}")


@lru_cache(maxsize=1 << 20)
def service_name(holder: int) -> ServiceName:
    return ServiceName("fleet", f"s{holder}")


def _content(holder: int, issuer: AuthorityId) -> bytes:
    """In place of a certificate: a leaf renewed below the same authority is the same for all that is judged here."""
    return f"{holder} below {issuer.hex}".encode()


def at_once(asked: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer of a coroutine that waits for nothing."""
    try:
        asked.send(None)
    except StopIteration as stopped:
        answer: Answer = stopped.value
        return answer
    asked.close()
    raise Broken(
        code="simulation-waits",
        what="a question that must be answered from memory waits for something",
        why="in virtual time nothing happens while a question is asked",
        fix="report this",
    )


@dataclass(frozen=True, slots=True)
class Common:
    """What all have in common at one look: authorities, the published bundle, the change."""

    authorities: tuple[Authority, ...]
    bundle: Bundle
    change: RootChange
    longest_connection: timedelta

    @property
    def key(self) -> object:
        """Of what a look at one participant depends on, apart from what it said itself."""
        return self.bundle.x509_digest, self.change.leaving, self.change.coming


class Told:
    """Every node's newest report. Lists have a place for each node, or for each holder of a leaf."""

    def __init__(self, scenario: RootScenario, bundle: Bundle, issuer: AuthorityId, at: datetime) -> None:
        nodes, holders = scenario.fleet.nodes, scenario.fleet.workloads
        self._of = scenario
        self._domain: TrustDomain = bundle.trust_domain
        self._digests = [(bundle.digest, bundle.x509_digest)]
        self._held = [0] * nodes
        self._probed: list[AuthorityId | None] = [None] * nodes
        self._since = [at] * nodes
        self._issuers = [issuer] * holders
        self.server_issuer = issuer
        self._connected = {node_name(node) for node in range(nodes)}
        self.last_leaf: dict[AuthorityId, datetime] = {}
        self._began = at
        self._new = set(range(holders))
        self._seen: dict[Participant, Seen] = {}
        self._common: Common | None = None
        self._at = at
        self._survey = SurveyTrust(self, self._published, self, lambda: self._at)

    @property
    def is_news(self) -> bool:
        """Whether somebody said something since the last survey."""
        return bool(self._new)

    def holders(self, node: int) -> range:
        first = node * self._of.fleet.per_node
        return range(first, min(first + self._of.fleet.per_node, self._of.fleet.workloads))

    def name(self, holder: int) -> str:
        node = node_name(holder // self._of.fleet.per_node)
        kind = self._of.kind(holder)
        return f"agent {node}" if kind is _AGENT else f"{self._participant(holder)} on {node}"

    def publish(self, bundle: Bundle) -> None:
        """From now on it is a version that nodes may say they hold."""
        self._digests.append((bundle.digest, bundle.x509_digest))

    def bundle(self, node: int, version: int, at: datetime) -> bool:
        """Whether that is news."""
        if self._held[node] == version:
            return False
        self._held[node], self._since[node] = version, at
        self._new.update(self.holders(node))
        return True

    def probed(self, node: int, root: AuthorityId) -> bool:
        """Whether that is news."""
        is_news = self._probed[node] != root
        self._probed[node] = root
        self._new.update(holder for holder in self.holders(node) if self._of.kind(holder) is _SIDECAR)
        return is_news

    def leaf(self, holder: int, issuer: AuthorityId) -> bool:
        """Whether it is below another authority than before, which is all that counts here."""
        if self._issuers[holder] == issuer:
            return False
        self._issuers[holder] = issuer
        self._new.add(holder)
        return True

    def presence(self, node: int, *, is_connected: bool) -> None:
        name = node_name(node)
        if is_connected != (name in self._connected):
            (self._connected.add if is_connected else self._connected.discard)(name)
            self._new.update(self.holders(node))

    def survey(self, common: Common, at: datetime) -> Survey:
        if self._common is None or common.key != self._common.key:
            self._new = set(range(self._of.fleet.workloads))
        self._common, self._at = common, at
        if common.change.coming is None:
            # Nobody is waited for before there is a root to come.
            everyone, self._new = self._new, set()
            found = at_once(self._survey.look(common.change)).survey
            self._new = everyone
            return found
        # With a sidecar or workload that is looked at, its agent is too: who has none is nobody's.
        self._new |= {holder - holder % self._of.fleet.per_node for holder in self._new}
        found = at_once(self._survey.look(common.change)).survey
        self._new = set()
        self._seen |= {one.participant: one for one in found.seen}
        return replace(found, seen=tuple(self._seen.values()))

    # The records that the survey reads.

    async def authorities(self) -> Sequence[Authority]:
        return self._known.authorities

    async def agents(self) -> Sequence[Agent]:
        later = self._began + timedelta(days=365)
        return [
            Agent(self._node(holder), "192.0.2.1", "join-token", self._began, 1, later)
            for holder in self._new
            if self._of.kind(holder) is _AGENT
        ]

    async def hosting(self) -> Sequence[Hosting]:
        return [
            Hosting(self._node(holder), service_name(holder), self._began)
            for holder in self._new
            if self._of.kind(holder) is _SIDECAR
        ]

    async def holdings(self) -> Sequence[Holding]:
        found = [held_by_server(SERVER, self._known.bundle, self._at)]
        for holder in self._new:
            found += self._holdings(holder)
        return found

    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        """Workloads that take no secrets show nothing that is known; of the others the newest is what they hold."""
        server = self._certificate(Purpose.SERVER, SERVER, -1, self.server_issuer)
        kinds = {_AGENT: Purpose.NODE, _SIDECAR: Purpose.WORKLOAD}
        return [
            server,
            *(
                self._certificate(kinds[kind], self._node(holder), holder, self._issuers[holder])
                for holder in self._new
                if (kind := self._of.kind(holder)) in kinds
            ),
        ]

    async def recent_certificates(self, _whose: Sequence[Whose]) -> Sequence[IssuedCertificate]:
        """None but the newest."""
        return ()

    async def last_leaf_ends(self) -> Mapping[AuthorityId, datetime]:
        return self.last_leaf

    def _certificate(self, purpose: Purpose, node: NodeName, holder: int, issuer: AuthorityId) -> IssuedCertificate:
        began, ends = self._began, self._began + timedelta(days=365)
        return IssuedCertificate(
            _SERIAL, self._domain.id, purpose, node, "", issuer, began, ends, ends, began, _content(holder, issuer)
        )

    async def attendance(self) -> Attendance:
        return Attendance(frozenset(self._connected), servers=frozenset({SERVER}))

    @property
    def _known(self) -> Common:
        if self._common is None:
            raise Broken(
                code="simulation-too-early",
                what="the survey was asked before a look",
                why="it looks at what a look was told",
                fix="report this",
            )
        return self._common

    def _published(self) -> Published:
        return Published(self._known.bundle, Withdrawn(), self._known.longest_connection)

    def _node(self, holder: int) -> NodeName:
        return node_name(holder // self._of.fleet.per_node)

    def _participant(self, holder: int) -> str:
        kind = self._of.kind(holder)
        if kind is _AGENT:
            return f"agent {self._node(holder)}"
        return f"sidecar {service_name(holder)}" if kind is _SIDECAR else f"workload uid:{1000 + holder}#1"

    def _holdings(self, holder: int) -> list[Holding]:
        node = holder // self._of.fleet.per_node
        name, who, since = node_name(node), self._participant(holder), self._since[node]
        whole, x509 = self._digests[self._held[node]]
        if self._of.kind(holder) is not _SIDECAR:
            return [Holding(name, who, BUNDLE, x509, x509, "", since)]
        leaf = hashlib.sha256(_content(holder, self._issuers[holder])).hexdigest()
        own = SECRET + str(default_id(self._domain, service_name(holder)))
        held = [
            Holding(name, who, SECRET + str(self._domain.id), whole, whole, "", since),
            Holding(name, who, own, leaf, leaf, "", since),
        ]
        if probed := self._probed[node]:
            held.append(Holding(name, who, PROBED + probed.key_id, probed.key_id, probed.key_id, "", since))
        return held

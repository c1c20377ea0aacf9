"""What is proven of everyone, from what they reported: too little rather than too much, whatever an agent may say."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from tests.kit.issuing_ports import ACME, NOON, MemoryAuthority
from tests.kit.present import Present
from trustplane.flows.roots.leaf_roots import LOOKED_UP_OF_A_NODE, Whose
from trustplane.flows.roots.survey_trust import Published, SurveyTrust, held_by_server
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.clusters import Cluster, Clusters, NamePattern
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding, Hosting
from trustplane.registry.view import Withdrawn
from trustplane.rotation.root_change import LinkBelow, Order, RootChange, Seen, begun
from trustplane.spiffe.bundle import Bundle, JwtAuthority
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ClusterName, NodeName, ServiceName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityState

NODE, SERVER = NodeName("node-a"), NodeName("server-1")
OLD, NEW = MemoryAuthority.at(NOON), MemoryAuthority.at(NOON, serial=1 << 125)
OLD_ROOT, NEW_ROOT = OLD.root.id, NEW.root.id
WEB = SpiffeId(ACME, ("ns", "shop", "sa", "web"))
LEAF = IssuedCertificate(
    serial=1,
    spiffe_id=WEB,
    purpose=Purpose.WORKLOAD,
    node=NODE,
    profile="standard@1",
    authority=OLD.issuing.id,
    not_before=NOON,
    not_after=NOON + timedelta(hours=1),
    renew_at=NOON,
    issued_at=NOON,
    leaf=b"first",
)
CHANGE = replace(begun(1, OLD_ROOT, Order("ann", "yearly"), NOON), coming=NEW_ROOT)


def certificate_of(one: MemoryAuthority) -> Bundle:
    certificate = one.root.certificate
    assert certificate is not None
    return Bundle(ACME, (certificate,))


BUNDLE = Bundle(ACME, (*certificate_of(OLD).x509_authorities, *certificate_of(NEW).x509_authorities))


def digest(leaf: IssuedCertificate) -> str:
    return hashlib.sha256(leaf.leaf).hexdigest()


TOGETHER = "7" * 64  # by which a sidecar that other domains may call holds our bundle and theirs


@dataclass
class Records:
    held: list[Holding] = field(default_factory=list)
    newest: list[IssuedCertificate] = field(default_factory=lambda: [LEAF])
    then: list[IssuedCertificate] = field(default_factory=list)  # after they were read once
    older: list[IssuedCertificate] = field(default_factory=list)
    asked: list[tuple[Whose, ...]] = field(default_factory=list)
    banned: bool = False

    async def authorities(self) -> Sequence[Authority]:
        waiting = AuthorityState.PREPARED
        issuing = replace(OLD.issuing, owner=SERVER)
        return [OLD.root, issuing, replace(NEW.root, state=waiting), replace(NEW.issuing, state=waiting, owner=SERVER)]

    async def agents(self) -> Sequence[Agent]:
        return [Agent(NODE, "192.0.2.1", "join-token", NOON, 1, NOON, banned=self.banned)]

    async def hosting(self) -> Sequence[Hosting]:
        return [Hosting(NODE, ServiceName("shop", "web"), NOON)]

    async def holdings(self) -> Sequence[Holding]:
        return self.held

    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        now, self.newest = self.newest, self.then or self.newest
        return now

    async def recent_certificates(self, whose: Sequence[Whose]) -> Sequence[IssuedCertificate]:
        self.asked.append(tuple(whose))
        return [one for one in self.older if (one.spiffe_id, one.node) in whose]

    async def last_leaf_ends(self) -> Mapping[AuthorityId, datetime]:
        return {OLD.issuing.id: NOON + timedelta(hours=1)}

    def say(self, participant: str, thing: str, held: str, refusal: str = "") -> None:
        self.held.append(Holding(NODE, participant, thing, held, held, refusal, NOON))


class Bench:
    def __init__(self) -> None:
        self.records = Records()
        self.bundle = BUNDLE
        self.present = Present(Attendance(frozenset({NODE}), servers=frozenset({SERVER})))
        self.clusters = Clusters()
        self.draining: frozenset[ServiceName] = frozenset()
        self.are_all_measured = False
        self.survey = SurveyTrust(self.records, self.published, self.present, lambda: NOON)

    def published(self) -> Published:
        known = (self.bundle, Withdrawn(), timedelta(minutes=15), self.peers, self.clusters)
        return Published(*known, self.draining, self.are_all_measured)

    def peers(self, node: NodeName, participant: str) -> str:
        return TOGETHER if (node, participant) == (NODE, "sidecar shop/web") else ""

    def links(self) -> tuple[LinkBelow, ...]:
        return asyncio.run(self.survey.look(CHANGE)).survey.links

    def holdings(self) -> tuple[Holding, ...]:
        return asyncio.run(self.survey.look(CHANGE)).holdings

    def seen(self, change: RootChange | None = CHANGE) -> dict[str, Seen]:
        found = asyncio.run(self.survey.look(change)).survey.seen
        return {str(one.participant): one for one in found}


def test_who_said_nothing_is_named_and_has_proved_nothing() -> None:
    seen = Bench().seen()
    assert list(seen) == ["agent node-a", "server server-1", "sidecar shop/web on node-a"]
    for one in seen.values():
        assert NEW_ROOT not in one.trusts
        assert OLD_ROOT in one.trusts, "for all that is known it trusts the root that leaves"


def test_the_published_digest_proves_and_any_other_proves_the_worst() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", f"secret/{ACME.id}", BUNDLE.digest)
    bench.records.say("agent node-a", "bundle", "0" * 64)
    bench.records.held.append(held_by_server(SERVER, BUNDLE, NOON))
    seen = bench.seen()
    both = frozenset({OLD_ROOT, NEW_ROOT})
    assert seen["sidecar shop/web on node-a"].trusts == both
    assert seen["server server-1"].trusts == both
    assert seen["agent node-a"].trusts == {OLD_ROOT}


@pytest.mark.parametrize("held", [TOGETHER, BUNDLE.digest, ""])
def test_a_sidecar_that_others_may_call_proves_by_the_digest_of_all_it_trusts(held: str) -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", "secret/peers", held)
    assert (NEW_ROOT in bench.seen()["sidecar shop/web on node-a"].trusts) is (held == TOGETHER)


def test_a_secret_that_a_sidecar_was_told_to_let_go_of_holds_nobody_up() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", f"secret/{ACME.id}", "")
    assert NEW_ROOT not in bench.seen()["sidecar shop/web on node-a"].trusts
    bench.records.say("sidecar shop/web", "secret/peers", TOGETHER)
    assert NEW_ROOT in bench.seen()["sidecar shop/web on node-a"].trusts


def test_a_new_jwt_key_takes_no_proof_from_who_follows_x509() -> None:
    bench = Bench()
    bench.records.say("workload spiffe://acme.example/ns/shop/sa/web#1", "bundle", BUNDLE.x509_digest)
    key = OLD.root.public_key
    bench.bundle = replace(BUNDLE, jwt_authorities=(JwtAuthority("new", key),))
    assert NEW_ROOT in bench.seen()["workload spiffe://acme.example/ns/shop/sa/web#1 on node-a"].trusts


def test_a_probe_proves_its_root_alone() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", f"root/{NEW_ROOT.hex[:40]}", NEW_ROOT.hex[:40])
    bench.records.say("sidecar shop/web", f"root/{OLD_ROOT.hex[:40]}", "")
    seen = bench.seen()
    assert seen["sidecar shop/web on node-a"].accepts == frozenset({NEW_ROOT})
    assert seen["agent node-a"].accepts is None


def test_a_leaf_that_was_the_newest_is_known_until_nobody_holds_it() -> None:
    bench = Bench()
    later = replace(LEAF, serial=2, leaf=b"second", authority=NEW.issuing.id)
    bench.records.newest = [later]
    bench.records.say("sidecar shop/web", f"secret/{WEB}", digest(later))
    assert bench.seen()["sidecar shop/web on node-a"].shows == {NEW_ROOT}
    bench.records.newest = [replace(LEAF, serial=3, leaf=b"third", authority=NEW.issuing.id)]
    assert bench.seen()["sidecar shop/web on node-a"].shows == {NEW_ROOT}, "a renewal is not a relapse"


def test_a_leaf_that_is_replaced_while_the_first_look_is_made_is_known() -> None:
    bench = Bench()
    later = replace(LEAF, serial=2, leaf=b"second", authority=NEW.issuing.id)
    bench.records.say("sidecar shop/web", f"secret/{WEB}", digest(later))
    bench.records.newest, bench.records.then = [later], [replace(later, serial=3, leaf=b"third")]
    assert bench.seen()["sidecar shop/web on node-a"].shows == {NEW_ROOT}


def test_a_leaf_nobody_can_tell_of_counts_as_below_the_root_that_leaves() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", f"secret/{WEB}", "f" * 64)
    assert bench.seen()["sidecar shop/web on node-a"].shows == {OLD_ROOT}


def test_a_leaf_that_was_never_the_newest_in_sight_is_looked_up_once_by_who_holds_it() -> None:
    bench = Bench()
    before = replace(LEAF, serial=2, leaf=b"second", authority=NEW.issuing.id)
    bench.records.newest, bench.records.older = [replace(before, serial=3, leaf=b"third")], [before]
    bench.records.say("sidecar shop/web", f"secret/{WEB}", digest(before))
    bench.records.say("sidecar shop/web", f"secret/{ACME.id}", BUNDLE.digest)
    for _ in range(3):
        assert bench.seen()["sidecar shop/web on node-a"].shows == {NEW_ROOT}
    assert bench.records.asked == [((WEB, NODE),)]


def test_what_is_not_found_is_not_asked_for_again_and_one_node_is_asked_for_so_often_at_most() -> None:
    bench = Bench()
    for number in range(LOOKED_UP_OF_A_NODE + 5):
        bench.records.say(f"envoy unix:{number}", f"secret/{ACME.id}/w{number:03}", f"{number:064x}")
    bench.records.say("envoy unix:x", "secret/spiffe://other.example/x", "e" * 64)
    bench.records.say("envoy unix:y", "secret/spiffe://acme.example/..", "f" * 64)
    for _ in range(3):
        bench.seen()
    assert [len(some) for some in bench.records.asked] == [LOOKED_UP_OF_A_NODE, 5]


def test_an_envoy_that_takes_no_bundle_is_not_asked_for_its_trust() -> None:
    bench = Bench()
    bench.records.say("envoy unix:7", f"secret/{WEB}", digest(LEAF))
    one = bench.seen()["envoy unix:7 on node-a"]
    assert (NEW_ROOT in one.trusts, one.accepts, one.shows) == (True, None, frozenset({OLD_ROOT}))


def test_a_sidecar_that_drains_proves_the_order_it_was_measured_by_and_no_other_participant_does() -> None:
    bench = Bench()
    for participant in ("sidecar shop/web", "sidecar shop/pay", "workload 7"):
        bench.records.say(participant, "connections", "1/x")
    assert [one.remade for one in bench.seen().values()] == [None] * 5
    bench.draining = frozenset({ServiceName("shop", "web")})
    assert {name: one.remade for name, one in bench.seen().items() if one.remade is not None} == {
        "sidecar shop/web on node-a": frozenset({"1/x"})
    }
    bench.records.held = []
    assert bench.seen()["sidecar shop/web on node-a"].remade == frozenset()
    assert not asyncio.run(bench.survey.look(CHANGE)).survey.are_all_measured
    bench.are_all_measured = True
    assert asyncio.run(bench.survey.look(CHANGE)).survey.are_all_measured


def test_a_banned_node_is_nobody() -> None:
    bench = Bench()
    bench.records.banned = True
    bench.records.say("sidecar shop/web", f"secret/{ACME.id}", "0" * 64)
    assert list(bench.seen()) == ["server server-1"]


@pytest.mark.parametrize(
    "name",
    ["", "sidecar", "sidecar ", "sidecar  a\tb\n", "sidecar " + "x" * 2048, "workload \x00 on node-b", "gateway x"],
)
def test_whatever_an_agent_calls_a_participant_the_change_goes_on(name: str) -> None:
    bench = Bench()
    bench.records.say(name, "bundle", BUNDLE.x509_digest)
    seen = bench.seen()
    assert "agent node-a" in seen
    assert all(one.endswith((" on node-a", "agent node-a", "server server-1")) for one in seen)


def test_without_a_change_everyone_is_still_shown() -> None:
    assert len(Bench().seen(None)) == 3


def test_who_is_connected_to_no_server_is_away_and_so_is_what_runs_on_its_node() -> None:
    bench = Bench()
    bench.present.told = Attendance(frozenset(), {NODE: NOON}, frozenset({SERVER}))
    seen = bench.seen()
    away = {name: one.away_since for name, one in seen.items() if one.is_away}
    assert away == {"agent node-a": NOON, "sidecar shop/web on node-a": NOON}


def test_while_a_server_does_not_tell_who_is_connected_to_it_nobody_counts_as_away() -> None:
    bench = Bench()
    bench.present.told = Attendance()
    assert not any(one.is_away for one in bench.seen().values())


def test_a_server_whose_life_ended_is_away() -> None:
    bench = Bench()
    bench.present.told = Attendance(frozenset({NODE}), {}, frozenset({SERVER}), {SERVER: NOON})
    assert [name for name, one in bench.seen().items() if one.is_away] == ["server server-1"]


def test_everyone_is_in_the_cluster_of_its_node_or_server() -> None:
    bench = Bench()
    east, west = ClusterName("east"), ClusterName("west")
    bench.clusters = Clusters(
        {
            east: Cluster(east, nodes=(NamePattern("node-*"),)),
            west: Cluster(west, servers=(NamePattern("server-1"),)),
        }
    )
    clusters = {name: str(one.cluster) for name, one in bench.seen().items()}
    assert clusters == {"agent node-a": "east", "server server-1": "west", "sidecar shop/web on node-a": "east"}


def test_a_published_bundle_that_is_behind_what_is_stored_proves_only_what_is_in_it() -> None:
    """Between the step and the bundle that follows from it, everyone still holds the bundle of before."""
    bench = Bench()
    bench.bundle = certificate_of(OLD)
    bench.records.say("agent node-a", "bundle", bench.bundle.x509_digest)
    assert bench.seen()["agent node-a"].trusts == {OLD_ROOT}


SIDECAR_SEEN = "sidecar shop/web on node-a"


def test_a_bundle_that_is_acknowledged_and_not_in_use_is_not_held() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", f"secret/{ACME.id}", BUNDLE.digest)
    bench.records.say("sidecar shop/web", f"proxy/secret/{ACME.id}", BUNDLE.digest)
    assert (NEW_ROOT in bench.seen()[SIDECAR_SEEN].trusts, bench.seen()[SIDECAR_SEEN].doubt) == (True, "")
    bench.records.held[-1] = replace(bench.records.held[-1], held="", refusal="its /certs shows other roots")
    one = bench.seen()[SIDECAR_SEEN]
    assert (NEW_ROOT in one.trusts, one.doubt) == (False, "its /certs shows other roots")
    (told,) = [each for each in bench.holdings() if each.refusal]
    assert (told.held, told.desired) == ("", BUNDLE.digest)


def test_one_that_was_not_looked_at_since_it_acknowledged_is_waited_for() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", f"secret/{ACME.id}", BUNDLE.digest)
    bench.records.say("sidecar shop/web", f"proxy/secret/{ACME.id}", "0" * 64)
    assert NEW_ROOT not in bench.seen()[SIDECAR_SEEN].trusts


def test_a_leaf_in_use_that_nobody_acknowledged_counts_as_below_the_root_that_leaves() -> None:
    bench = Bench()
    new = replace(LEAF, serial=2, leaf=b"second", authority=NEW.issuing.id)
    bench.records.newest = [new]
    bench.records.say("sidecar shop/web", f"secret/{WEB}", digest(new))
    bench.records.say("sidecar shop/web", f"proxy/secret/{WEB}", digest(new))
    assert bench.seen()[SIDECAR_SEEN].shows == {NEW_ROOT}
    bench.records.held[-1] = replace(bench.records.held[-1], held="", refusal="it shows the leaf abc")
    assert bench.seen()[SIDECAR_SEEN].shows == {NEW_ROOT, OLD_ROOT}
    assert [one.thing for one in bench.holdings()] == [f"proxy/secret/{WEB}"], "a leaf is told of when it is in doubt"


def test_silence_is_a_doubt_and_listening_is_nothing_to_tell() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", "proxy/xds", "listening")
    assert bench.seen()[SIDECAR_SEEN].doubt == ""
    assert bench.holdings() == ()
    bench.records.held[-1] = replace(bench.records.held[-1], held="", refusal="it has not answered")
    assert bench.seen()[SIDECAR_SEEN].doubt == "it has not answered"
    assert [(one.desired, one.held) for one in bench.holdings()] == [("listening", "")]


def test_a_refusal_of_anything_is_shown_with_who_is_waited_for() -> None:
    bench = Bench()
    bench.records.say("sidecar shop/web", "listener/inbound", "", "cannot bind: address already in use")
    assert bench.seen()[SIDECAR_SEEN].refusal == "cannot bind: address already in use"


def test_a_link_is_below_the_root_of_its_issuer_and_below_none_that_is_not_known() -> None:
    bench = Bench()
    certificate = OLD.issuing.certificate
    assert certificate is not None
    for issuer, state in ((f"{certificate.serial_number:x}", "seen"), ("abc", "quiet")):
        bench.records.say(f"link {WEB} -> {WEB}", f"caller/{issuer}", state)
    bench.records.say("link nonsense", "caller/abc", "seen")
    bench.records.say("link a -> b", "nonsense", "seen")
    found = {(one.root, one.is_seen) for one in bench.links() if "->" in one.participant.name}
    assert found == {(OLD_ROOT, True), (None, False)}
    assert not any(name.startswith("link") for name in bench.seen()), "a link is no participant"
    assert bench.holdings() == ()
    bench.records.banned = True
    assert bench.links() == ()

"""Over a real store and real keys: a change of root driven by what one node reports, killed wherever it may be."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import ACME, NODE, NOON, WEB, RightsTable, authority_keys, leaf_key, profile
from tests.kit.present import Present
from trustplane.fault import Refused
from trustplane.flows.issuing.issue import Issued, IssueX509, Request
from trustplane.flows.issuing.issue_probes import IssueProbes
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.flows.roots.change_root import LEASE_LIFE, ChangeRoot
from trustplane.flows.roots.survey_trust import Published, SurveyTrust, held_by_server
from trustplane.issuance.record import Purpose
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Agent, Holding
from trustplane.registry.view import Withdrawn
from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Waiver
from trustplane.rotation.root_gates import Lack
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store
from trustplane.trust.authority import AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.lifecycle import Lifetimes

ORDER = Order("local:ann", "yearly rotation")
MINUTE = timedelta(minutes=1)
SERVER = NodeName("server-1")
SIDECAR = "sidecar shop/web"
LONGEST_CONNECTION = 2 * MINUTE
MOST_STEPS = 60


@dataclass
class Server:
    """What of a server, and of its only node, has to do with a change of root."""

    store: Store
    clock: VirtualClock
    authorities: KeepAuthorities
    issuer: IssueX509
    changing: ChangeRoot

    @classmethod
    async def on(cls, store: Store, clock: VirtualClock) -> Server:
        authorities = KeepAuthorities(store, authority_keys(), Instance(ACME, SERVER), Lifetimes(), clock)
        await authorities.start()
        own = profile(lifetime=10 * MINUTE)
        issuer = IssueX509(store, authorities.x509_signer, RightsTable.of(WEB, shaped_by=own), own)
        server = cls(store, clock, authorities, issuer, replica(store, authorities, clock))
        await store.put_agent(Agent(NODE, "192.0.2.1", "join-token", NOON, 1, NOON + MINUTE))
        await store.put_hosting(NODE, frozenset({ServiceName("shop", "web")}), NOON)
        await server.all_is_well()
        return server

    async def all_is_well(self) -> None:
        """Everyone takes up what is published, renews, and lets probes in."""
        await self.authorities.settle()
        await self.renew()
        await self.take_up()

    async def take_up(self) -> None:
        bundle, at = self.authorities.bundle(), self.clock.now()
        newest = {one.purpose: one for one in await self.store.newest_certificates()}
        leaf = hashlib.sha256(newest[Purpose.WORKLOAD].leaf).hexdigest()
        probed = [
            root.id.hex[:40]
            for root in await self.store.authorities()
            if (root.kind, root.state) == (AuthorityKind.ROOT, AuthorityState.PREPARED)
        ]
        await self.store.put_holdings(
            [
                held_by_server(SERVER, bundle, at),
                Holding(NODE, f"agent {NODE}", "bundle", bundle.digest, bundle.digest, "", at),
                Holding(NODE, SIDECAR, f"secret/{ACME.id}", bundle.digest, bundle.digest, "", at),
                Holding(NODE, SIDECAR, f"secret/{WEB}", leaf, leaf, "", at),
                *(Holding(NODE, SIDECAR, f"root/{root}", root, root, "", at) for root in probed),
            ]
        )

    async def renew(self) -> None:
        at = self.clock.now()
        for issued in (
            *await self.issuer.issue(NODE, [Request(str(WEB), leaf_key().csr())], at),
            await self.issuer.issue_node(NODE, leaf_key().csr(), at),
            await self.issuer.issue_server(SERVER, leaf_key().csr(), at),
        ):
            assert isinstance(issued, Issued), issued

    async def change(self) -> RootChange:
        return (await self.store.root_changes(1))[0]

    async def phase(self) -> Phase:
        return (await self.change()).phase

    async def until(self, phase: Phase) -> None:
        """Time passes, and all is well."""
        for _ in range(MOST_STEPS):
            if await self.phase() is phase:
                return
            await self.changing.go_on()
            await self.all_is_well()
            await self.clock.advance(MINUTE / 2)
        raise AssertionError(f"not {phase} but {await self.change()}")

    async def roots(self) -> dict[AuthorityId, AuthorityState]:
        return {one.id: one.state for one in await self.store.authorities() if one.kind is AuthorityKind.ROOT}

    async def told(self) -> list[str]:
        entries = [json.loads(one.body) for one in await self.store.audit_entries(0, 2000)]
        ours = [one for one in entries if one["event"].startswith("root-change-")]
        return [f"{one['event'].removeprefix('root-change-')} {one['action']}" for one in ours]


async def nobody_is_told(order: str) -> None:
    """An order to make connections anew; nobody here drains, so none is given."""
    raise AssertionError(order)


def replica(store: Store, authorities: KeepAuthorities, clock: VirtualClock) -> ChangeRoot:
    def published() -> Published:
        return Published(authorities.bundle(), Withdrawn(), LONGEST_CONNECTION)

    return ChangeRoot(
        store,
        authorities,
        SurveyTrust(store, published, Present(Attendance(frozenset({NODE}), servers=frozenset({SERVER}))), clock.now),
        nobody_is_told,
        clock,
    )


def play(folder: Path, scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = VirtualClock(NOON)
        async with await Store.open(f"sqlite:///{folder / 'store.db'}", clock) as store:
            await scenario(await Server.on(store, clock))

    asyncio.run(main())


def test_a_root_is_changed_and_every_step_announced(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        (old,) = await server.roots()
        await server.changing.start(ORDER)
        await server.until(Phase.DONE)
        states = await server.roots()
        assert states.pop(old) is AuthorityState.RETIRED
        assert list(states.values()) == [AuthorityState.ACTIVE]
        assert len(server.authorities.bundle().x509_authorities) == 1
        told = await server.told()
        assert [one for one in told if one.startswith("phase")] == [
            *("phase publish", "phase verify", "phase switch", "phase drain"),
            *("phase retire", "phase verify-again", "phase done"),
        ]
        for action in ("begin", "make-root", "prepare", "publish", "switch", "retire"):
            assert told.index(f"intent {action}") + 1 == told.index(f"outcome {action}")

    play(tmp_path, scenario)


def test_another_replica_goes_on_after_every_step(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        (old,) = await server.roots()
        await server.changing.start(ORDER)
        for _ in range(MOST_STEPS):
            if await server.phase() is Phase.DONE:
                break
            await replica(server.store, server.authorities, server.clock).go_on()
            await server.all_is_well()
            await server.clock.advance(LEASE_LIFE + timedelta(seconds=1))  # the one before is gone
        assert await server.phase() is Phase.DONE
        assert (await server.roots())[old] is AuthorityState.RETIRED

    play(tmp_path, scenario)


def test_who_does_not_hold_the_lease_does_nothing(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.changing.start(ORDER)
        other = replica(server.store, server.authorities, server.clock)
        await server.changing.go_on()
        before = len(await server.told())
        assert await other.go_on(), "a change is under way"
        assert len(await server.told()) == before

    play(tmp_path, scenario)


def test_it_names_the_node_that_does_not_report(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.store.put_agent(Agent(NodeName("node-z"), "192.0.2.9", "join-token", NOON, 2, NOON + MINUTE))
        await server.changing.start(ORDER)
        await server.until(Phase.PUBLISH)
        for _ in range(5):
            await server.changing.go_on()
            await server.all_is_well()
            await server.clock.advance(60 * MINUTE)
        progress = await server.changing.progress()
        assert [(str(one.participant), one.lack, one.is_away) for one in progress.waits] == [
            ("agent node-z", Lack.ROOT, True)
        ]
        at = server.clock.now()
        waiver = Waiver(Participant("agent node-z"), "sold", "team-ops", "ann", at, at + timedelta(days=2))
        await server.changing.waive(waiver)
        await server.until(Phase.DONE)

    play(tmp_path, scenario)


def test_an_agent_asleep_for_an_hour_is_named_and_the_change_ends_by_itself_when_it_wakes(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        sleeper = NodeName("node-z")
        await server.store.put_agent(Agent(sleeper, "192.0.2.9", "join-token", NOON, 2, NOON + MINUTE))
        await reports(server, sleeper)
        async with asyncio.TaskGroup() as tasks:
            driving = tasks.create_task(server.changing.run())
            await server.changing.start(ORDER)
            server.changing.wake()
            for _ in range(20):
                await pass_minutes(server)
            (waiting,) = (await server.changing.progress()).waits
            assert (str(waiting.participant), waiting.lack) == ("agent node-z", Lack.ROOT)
            assert await server.phase() is Phase.PUBLISH
            assert sorted(one.value for one in (await server.roots()).values()) == ["active", "prepared"]
            for _ in range(MOST_STEPS):
                await reports(server, sleeper)
                await pass_minutes(server)
                if await server.phase() is Phase.DONE:
                    break
            driving.cancel()
        assert await server.phase() is Phase.DONE
        assert sorted(one.value for one in (await server.roots()).values()) == ["active", "retired"]

    async def reports(server: Server, node: NodeName) -> None:
        """Its agent runs, renews its identity and holds what is published."""
        bundle, at = server.authorities.bundle(), server.clock.now()
        assert isinstance(await server.issuer.issue_node(node, leaf_key().csr(), at), Issued)
        await server.store.put_holdings(
            [Holding(node, f"agent {node}", "bundle", bundle.digest, bundle.digest, "", at)]
        )

    async def pass_minutes(server: Server) -> None:
        """Nobody drives the change but its own task."""
        await server.all_is_well()
        await server.clock.advance(3 * MINUTE)
        await server.clock.until_sleeping()

    play(tmp_path, scenario)


def test_a_sidecar_that_holds_the_old_bundle_or_refuses_the_probe_is_waited_for(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.changing.start(ORDER)
        await server.until(Phase.PUBLISH)
        bundle = server.authorities.bundle()
        stale = Holding(NODE, SIDECAR, f"secret/{ACME.id}", bundle.digest, "0" * 64, "no good", server.clock.now())
        await server.store.put_holdings([stale])
        await server.changing.go_on()
        (waiting,) = (await server.changing.progress()).waits
        assert (str(waiting.participant), waiting.lack, waiting.refusal) == (
            "sidecar shop/web on node-a",
            Lack.ROOT,
            "no good",
        )
        await server.take_up()
        coming = (await server.change()).coming
        assert coming is not None
        refused = Holding(NODE, SIDECAR, f"root/{coming.hex[:40]}", coming.hex[:40], "", "alert", server.clock.now())
        await server.store.put_holdings([refused])
        await server.changing.go_on()
        assert await server.phase() is Phase.VERIFY
        assert [one.lack for one in (await server.changing.progress()).waits] == [Lack.PROBE]

    play(tmp_path, scenario)


@pytest.mark.parametrize("phase", [Phase.PREPARE, Phase.VERIFY, Phase.SWITCH, Phase.DRAIN])
def test_until_it_retires_a_change_can_be_taken_back(tmp_path: Path, phase: Phase) -> None:
    async def scenario(server: Server) -> None:
        (old,) = await server.roots()
        await server.changing.start(ORDER)
        await server.until(phase)
        await server.changing.go_back("local:ann")
        await server.until(Phase.ABORTED)
        states = await server.roots()
        assert states.pop(old) is AuthorityState.ACTIVE
        assert set(states.values()) <= {AuthorityState.RETIRED}
        assert server.authorities.x509_signer().authority.parent == old
        await server.changing.start(ORDER)
        await server.until(Phase.DONE)

    play(tmp_path, scenario)


def test_a_paused_change_does_nothing(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.changing.start(ORDER)
        await server.until(Phase.VERIFY)
        await server.changing.pause("local:ann")
        for _ in range(10):
            await server.changing.go_on()
            await server.all_is_well()
        assert await server.phase() is Phase.VERIFY
        await server.changing.resume("local:ann")
        await server.until(Phase.DONE)

    play(tmp_path, scenario)


def test_what_is_said_while_a_change_moves_on_is_said_of_what_it_came_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(server: Server) -> None:
        await server.changing.start(ORDER)
        save, quicker = server.store.save_root_change, list[RootChange]()

        async def after_another(change: RootChange) -> RootChange:
            if not quicker:
                quicker.append(await save(await server.change()))
            return await save(change)

        monkeypatch.setattr(server.store, "save_root_change", after_another)
        paused = await server.changing.pause("local:ann")
        assert (paused.version, paused.is_paused) == (quicker[0].version + 1, True)

    play(tmp_path, scenario)


def test_one_change_at_a_time_and_nothing_to_say_without_one(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        for word in (server.changing.pause, server.changing.resume, server.changing.go_back):
            with pytest.raises(Refused) as refused:
                await word("local:ann")
            assert refused.value.code == "no-rotation"
        await server.changing.start(ORDER)
        with pytest.raises(Refused) as refused:
            await server.changing.start(ORDER)
        assert refused.value.code == "rotation-under-way"

    play(tmp_path, scenario)


def test_probes_chain_to_the_root_to_come_and_to_no_other(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        (old,) = await server.roots()
        probes = IssueProbes(server.issuer, server.authorities.probe_signer, server.clock)
        await server.changing.start(ORDER)
        await server.until(Phase.VERIFY)
        coming = (await server.change()).coming
        assert coming is not None
        issued = await probes.probe(NODE, coming.hex[:40], leaf_key().csr())
        recorded = await server.store.certificate(issued.serial)
        assert recorded is not None
        assert recorded.purpose is Purpose.PROBE
        assert str(issued.svid.spiffe_id) == "spiffe://acme.example/trustplane/probe/node-a"
        for root in (old.hex[:40], "", "ab" * 20):
            with pytest.raises(Refused) as refused:
                await probes.probe(NODE, root, leaf_key().csr())
            assert refused.value.code == "no-root-to-probe"

    play(tmp_path, scenario)


def test_what_would_happen_is_told_by_the_machine_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        told = await server.changing.told(ORDER)
        assert await server.store.root_changes(1) == ()
        assert [one.phase for one in told.chapters] == [
            *(Phase.PREPARE, Phase.PUBLISH, Phase.VERIFY, Phase.SWITCH, Phase.DRAIN, Phase.RETIRE, Phase.VERIFY_AGAIN)
        ]
        drain = told.chapters[4]
        assert drain.ends - drain.begins > 10 * MINUTE + LONGEST_CONNECTION - MINUTE
        await server.changing.start(ORDER)
        await server.until(Phase.DRAIN)
        rest = await server.changing.told(replace(ORDER, reason="the rest"))
        assert [one.phase for one in rest.chapters] == [Phase.DRAIN, Phase.RETIRE, Phase.VERIFY_AGAIN]

    play(tmp_path, scenario)


def test_a_cluster_that_nobody_belongs_to_cannot_be_waived(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        await server.changing.start(ORDER)
        moon = Waiver(Participant("cluster moon"), "sold", "ops", "ann", NOON, NOON + MINUTE)
        with pytest.raises(Refused) as refused:
            await server.changing.waive(moon)
        assert refused.value.code == "unknown-cluster"

    play(tmp_path, scenario)

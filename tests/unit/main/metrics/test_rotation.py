"""A change of root in figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from tests.kit.issuing_ports import NODE, NOON
from tests.unit.flows.roots.test_change_root import ORDER, Server, play
from trustplane.flows.roots.change_root import Progress
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.main.metrics.rotation import RotationMetrics, figures
from trustplane.main.metrics.store import StoreMetrics
from trustplane.rotation.root_change import LinkBelow, Participant, Phase, Survey, begun
from trustplane.trust.authority import AuthorityId


def test_phase_and_progress_are_shown_while_a_change_is_driven_here(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        registry = CollectorRegistry()
        registry.register(RotationMetrics(server.changing))

        def figure(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"trustplane_rotation_{name}", labels)

        assert figure("phase", phase="publish") is None
        await server.changing.start(ORDER)
        for _ in range(4):
            await server.changing.go_on()
        assert (figure("phase", phase="publish"), figure("phase", phase="drain")) == (1, 0)
        assert figure("phase_start_timestamp_seconds") == NOON.timestamp()
        assert figure("paused") == 0
        assert (figure("participants", cluster=""), figure("participants_waited_for", cluster="")) == (3, 3)
        await server.until(Phase.DRAIN)
        assert figure("participants_ready", cluster="") == 3
        await server.clock.advance(timedelta(hours=2))
        await server.until(Phase.DONE)
        await server.changing.go_on()
        assert figure("phase", phase="done") is None

    play(tmp_path, scenario)


def test_links_in_use_are_counted_by_what_their_root_is_to_the_change() -> None:
    leaving, coming, older = (AuthorityId(letters * 32) for letters in ("aa", "bb", "cc"))
    change = replace(begun(1, leaving, ORDER, NOON), coming=coming, phase=Phase.DRAIN)
    link = LinkBelow(Participant("link a -> b"), "caller", "5f", leaving, NODE, NOON)
    links = (
        *(replace(link, root=root) for root in (leaving, leaving, coming, older, None)),
        replace(link, is_seen=False),
    )
    survey = Survey({}, frozenset(), (), {}, timedelta(0), links=links)
    progress = Progress(change, Surveyed(survey, ()), ())
    assert {
        sample.labels["root"]: sample.value
        for metric in figures(progress)
        for sample in metric.samples
        if sample.name == "trustplane_rotation_links_seen"
    } == {"leaving": 2, "coming": 1, "other": 1, "unknown": 1}


def test_what_the_database_is_asked_is_counted(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        registry = CollectorRegistry()
        registry.register(StoreMetrics(server.store))

        def statements() -> float:
            return registry.get_sample_value("trustplane_store_statements_total") or 0

        before = statements()
        await server.store.agents()
        assert statements() > before > 0
        assert (registry.get_sample_value("trustplane_store_commits_total") or 0) > 0

    play(tmp_path, scenario)

"""What admission promises, attacked: no process is two services, no two services want one port of one node."""

from __future__ import annotations

from collections import Counter
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.repository import repository
from trustplane.change.plan import plan
from trustplane.fault import Refused
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.needs import Needs
from trustplane.registry.repository import read
from trustplane.spiffe.names import NodeName
from trustplane.spiffe.selectors import Selector

NODES = ["n1", "n2"]
FACTS = {"unix:uid": ["1", "2"], "unix:gid": ["1", "2"], "unix:path": ["/a", "/b"]}
GROUPS = [Selector("unix:supplementary_gid", value) for value in ("1", "2")]
SELECTORS = [f"{kind}:{value}" for kind, values in FACTS.items() for value in values] + [str(one) for one in GROUPS]

# Every process there can be: one value of each single fact, and all groups, which is the most it can show.
PROCESSES = [
    frozenset([*GROUPS, *(Selector(kind, value) for kind, value in zip(FACTS, values, strict=True))])
    for values in product(*FACTS.values())
]

SERVICES = st.fixed_dictionaries(
    {
        "selectors": st.lists(st.sampled_from(SELECTORS), min_size=1, max_size=3, unique=True),
        "nodes": st.lists(st.sampled_from(NODES), max_size=2, unique=True),
        "app": st.integers(1, 9),
        "mesh": st.integers(11, 19) | st.integers(1, 9),
    }
)
NAMES = ["shop__alpha", "shop__beta", "shop__gamma"]


def files(services: dict[str, dict[str, object]]) -> dict[str, bytes]:
    def file(service: dict[str, object]) -> str:
        nodes = f"nodes: {service['nodes']}\n" if service["nodes"] else ""
        ports = f"ports: {{app: {service['app']}, mesh: {service['mesh']}}}\n"
        return f"selectors: {service['selectors']}\n{nodes}{ports}"

    shown = {name: file(service) for name, service in services.items()}
    return repository(shop__web=None, shop__payments=None, **shown)


def admitted(services: dict[str, dict[str, object]]) -> DesiredState | None:
    try:
        return read(files(services))
    except Refused:
        return None


def on(state: DesiredState, node: str) -> list[Service]:
    return [one for one in state.services.values() if not one.nodes or NodeName(node) in one.nodes]


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES), SERVICES, min_size=2))
def test_an_admitted_process_is_one_service_and_an_admitted_port_one_listener(
    services: dict[str, dict[str, object]],
) -> None:
    state = admitted(services)
    for node in NODES if state else []:
        assert state
        for process in PROCESSES:
            assert sum(service.selectors <= process for service in on(state, node)) <= 1
        ports = Counter(port for one in on(state, node) if one.ports for port in (one.ports.app, one.ports.mesh))
        assert max(ports.values(), default=1) == 1


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES), SERVICES, min_size=2))
def test_admission_refuses_only_what_could_go_wrong(services: dict[str, dict[str, object]]) -> None:
    try:
        read(files(services))
    except Refused as refused:
        codes = {finding.code for finding in refused.findings}
    else:
        return
    everywhere = {name: service["nodes"] or NODES for name, service in services.items()}
    wanted: Counter[tuple[object, object]] = Counter()
    shown: Counter[tuple[object, object]] = Counter()
    for name, service in services.items():
        selectors = {Selector.parse(str(one)) for one in _texts(service["selectors"])}
        for node in _texts(everywhere[name]):
            wanted.update([(node, service["app"]), (node, service["mesh"])])
            shown.update((node, process) for process in PROCESSES if selectors <= process)
    assert ("port-clash" in codes) == (max(wanted.values()) > 1)
    assert (
        ("ambiguous-selectors" not in codes) or (max(shown.values(), default=0) > 1) or "impossible-selectors" in codes
    )


@given(st.dictionaries(st.sampled_from(NAMES), SERVICES), st.dictionaries(st.sampled_from(NAMES), SERVICES))
def test_a_plan_is_empty_exactly_between_equal_states(
    one: dict[str, dict[str, object]], other: dict[str, dict[str, object]]
) -> None:
    before, after = admitted(one), admitted(other)
    if before and after:
        assert plan(before, after).is_empty == (before == after)
        backwards = plan(after, before)
        assert len(plan(before, after).items) == len(backwards.items)


@given(st.dictionaries(st.sampled_from(NAMES), SERVICES))
def test_a_node_gets_what_may_be_on_it_and_nothing_else(services: dict[str, dict[str, object]]) -> None:
    state = admitted(services)
    if state:
        needs = Needs(state, 1, {}, ())
        for node in [*NODES, "elsewhere"]:
            expected = {one.name for one in on(state, node)}
            assert {entry.service for entry in needs.of(NodeName(node)).entries} == expected


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return value

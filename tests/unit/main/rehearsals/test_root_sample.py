"""Of a trust repository, the services that calls join, and a copy of them that is admitted as it stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import admitted
from trustplane.main.demo.shop import find_shop
from trustplane.main.rehearsals.root_sample import FIRST_PORT, Sample, sample
from trustplane.registry.model import DesiredState

LIFE = timedelta(seconds=20)


@pytest.fixture(scope="module")
def shop() -> DesiredState:
    return find_shop(None).state


def copied(chosen: Sample) -> DesiredState:
    executables = {one.name: Path(f"/usr/bin/envoy-{one.name.name}") for one in chosen.services}
    files = chosen.files(LIFE, executables)
    return admitted({path: text.encode() for path, text in files.items()})


@pytest.mark.parametrize("most", [2, 3, 4, 20])
def test_every_service_of_a_sample_is_called_or_calls(shop: DesiredState, most: int) -> None:
    chosen = sample(shop, most)
    assert 2 <= len(chosen.services) <= most
    joined = {name for edge in chosen.edges for name in (edge.caller, edge.callee)}
    assert joined == {one.name for one in chosen.services}
    assert len(set(chosen.ports)) == len(chosen.ports)
    assert min(chosen.ports) >= FIRST_PORT


def test_the_copy_keeps_names_profiles_and_who_calls_whom_and_lives_short(shop: DesiredState) -> None:
    chosen = sample(shop, 20)
    copy = copied(chosen)
    assert copy.trust_domain == shop.trust_domain
    assert {one.lifetime for one in copy.profiles.values()} == {LIFE}
    for name, one in copy.services.items():
        kept = shop.services[name]
        assert one.spiffe_id == kept.spiffe_id
        assert {call.service for call in one.calls} == {call.service for call in kept.calls} & set(copy.services)
        profile, before = copy.profiles[one.profile], shop.profiles[kept.profile]
        assert (profile.key, profile.renew, profile.backdate) == (before.key, before.renew, before.backdate)
    assert {node.name for one in copy.services.values() for node in one.nodes} == {"node-0", "node-1"}


def test_where_nobody_calls_there_is_nothing_to_rehearse() -> None:
    files = {
        "trustdomain.yaml": b"trust_domain: acme.example\n",
        "namespaces.yaml": b"shop: {owners: [shop]}\n",
        "services/shop/web/service.yaml": b'selectors: ["unix:uid:1001"]\nports: {app: 9000, mesh: 9001}\n',
    }
    with pytest.raises(Refused, match="calls another"):
        sample(admitted(files), 4)

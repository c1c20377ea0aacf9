"""An offer this Envoy would not understand never leaves us."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.envoy_bench import DESCRIPTOR_CACHE
from tests.kit.sidecars import HERE, WEB, authority, bundles_of, keyed
from trustplane.fault import Refused
from trustplane.host.envoy import find_envoy
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.xds_messages import XdsMessages
from trustplane.xds.bootstrap import BOOTSTRAP, Sockets, bootstrap
from trustplane.xds.resources import Kind, Resource, typed
from trustplane.xds.sds_names import secrets_offer
from trustplane.xds.snapshot import snapshot


@pytest.fixture(scope="module")
def descriptors() -> Descriptors:
    return Descriptors.of(find_envoy(None), DESCRIPTOR_CACHE)


def test_everything_we_compute_is_understood_by_the_envoy_in_use(descriptors: Descriptors) -> None:
    ca = authority()
    svid, bundles = keyed(ca, WEB.spiffe_id), bundles_of(ca, authority("other.example"))
    messages = XdsMessages(descriptors)
    offers = (snapshot(WEB, svid, bundles, HERE), secrets_offer([svid], bundles, WEB.spiffe_id.trust_domain))
    for offer in offers:
        for one in offer:
            assert descriptors.dictionary(messages.encoded(one))["@type"] == one.kind.type_url
    config = bootstrap(WEB.service, Sockets(Path("/run/ads.sock"), Path("/run/admin.sock")))
    assert descriptors.dictionary(descriptors.parse(config, BOOTSTRAP))["node"] == config["node"]


@pytest.mark.parametrize(
    "content",
    [
        {"name": "r", "virtual_host": []},
        {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefex": "/"}}]}]},
        {"name": 7},
        {"name": "r", "virtual_hosts": [{"typed_per_filter_config": {"x": {"@type": "type.googleapis.com/no.Such"}}}]},
    ],
    ids=["misspelt", "misspelt deep inside", "of another type", "unknown message"],
)
def test_a_field_that_envoy_would_drop_or_refuse_is_refused_here(
    descriptors: Descriptors, content: dict[str, object]
) -> None:
    messages = XdsMessages(descriptors)
    with pytest.raises(Refused) as refusal:
        messages.encoded(Resource(Kind.ROUTE, "r", typed(Kind.ROUTE.value, **content)))
    assert refusal.value.code == "envoy-config-not-understood"


def test_equal_content_is_encoded_once(descriptors: Descriptors) -> None:
    messages = XdsMessages(descriptors)
    made = [Resource(Kind.ROUTE, "r", typed(Kind.ROUTE.value, name="r")) for _ in range(2)]
    assert messages.encoded(made[0]) is messages.encoded(made[1])

"""A sample of requests goes to the agent, with whom they met; everything goes to the log of before."""

from __future__ import annotations

import pytest

from trustplane.xds.access_log import SAMPLED_PERCENT, of_inbound_requests, of_outbound_requests
from trustplane.xds.resources import Json


def fields(config: object, *path: str) -> object:
    for name in path:
        assert isinstance(config, dict)
        config = config[name]
    return config


@pytest.mark.parametrize(
    ("logs", "side", "met"),
    [
        (of_inbound_requests("/dev/stdout"), "caller", "DOWNSTREAM"),
        (of_outbound_requests("/dev/stdout"), "callee", "UPSTREAM"),
    ],
)
def test_each_direction_tells_whom_it_met_and_whose_certificate_that_was(logs: list[Json], side: str, met: str) -> None:
    whole, sample = logs
    assert "filter" not in whole
    common = fields(sample, "typed_config", "common_config")
    assert fields(common, "log_name") == side
    assert fields(common, "custom_tags") == [
        {"tag": "peer", "value": f"%{met}_PEER_URI_SAN%"},
        {"tag": "issuer", "value": f"%{met}_PEER_ISSUER%"},
    ]
    assert fields(sample, "filter", "runtime_filter", "percent_sampled", "numerator") == SAMPLED_PERCENT

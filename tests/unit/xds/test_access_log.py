"""Of what comes in the agent is sent everything, of what goes out a sample; everything goes to the log of before."""

from __future__ import annotations

from trustplane.xds.access_log import SAMPLED_PERCENT, of_failed_handshakes, of_inbound_requests, of_outbound_requests
from trustplane.xds.resources import Json


def fields(config: object, *path: str) -> object:
    for name in path:
        assert isinstance(config, dict)
        config = config[name]
    return config


def tags(sent: Json) -> dict[object, object]:
    found = fields(sent, "typed_config", "common_config", "custom_tags")
    assert isinstance(found, list)
    return {one["tag"]: one["value"] for one in found}


def test_the_agent_is_told_of_every_decision() -> None:
    whole, sent = of_inbound_requests("/dev/stdout")
    assert "filter" not in whole
    assert "filter" not in sent
    assert fields(sent, "typed_config", "common_config", "log_name") == "decisions"
    assert tags(sent) == {
        "peer": "%DOWNSTREAM_PEER_URI_SAN%",
        "issuer": "%DOWNSTREAM_PEER_ISSUER%",
        "asked": "%DOWNSTREAM_LOCAL_PORT% %REQUEST_HEADER(:METHOD)% %PATH(NQ)%",
        "judged": "%DYNAMIC_METADATA(envoy.filters.http.rbac)%",
    }


def test_the_log_of_what_came_in_names_caller_and_rule() -> None:
    written = fields(of_inbound_requests("/dev/stdout")[0], "typed_config", "log_format", "json_format")
    assert isinstance(written, dict)
    assert written["peer_id"] == "%DOWNSTREAM_PEER_URI_SAN%"
    assert written["rule"] == "%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%"


def test_of_what_went_out_a_sample_tells_whom_it_met() -> None:
    whole, sample, *_ = of_outbound_requests("/dev/stdout")
    assert "filter" not in whole
    assert fields(sample, "typed_config", "common_config", "log_name") == "callee"
    assert tags(sample) == {"peer": "%UPSTREAM_PEER_URI_SAN%", "issuer": "%UPSTREAM_PEER_ISSUER%"}
    assert fields(sample, "filter", "runtime_filter", "percent_sampled", "numerator") == SAMPLED_PERCENT


def test_of_failures_the_agent_is_told_what_the_file_says_and_the_certificate() -> None:
    whole, sent, counted = of_failed_handshakes("/dev/stdout")
    written = fields(whole, "typed_config", "log_format", "json_format")
    assert isinstance(written, dict)
    assert sent["filter"] == whole["filter"] == counted["filter"]
    assert tags(sent) == {
        **{name: value for name, value in written.items() if name != "log"},
        "peer_certificate": "%DOWNSTREAM_PEER_CERT%",
    }
    _, _, outbound, counted_out = of_outbound_requests("/dev/stdout")
    assert counted_out["filter"] == outbound["filter"]
    assert fields(outbound, "filter", "response_flag_filter", "flags") == ["UF", "UC"]
    assert tags(outbound).keys() >= {
        "flags",
        "details",
        "tls_failure",
        "upstream",
        "upstream_local",
        "peer_certificate",
    }

"""Settings that exist can be started with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.node_line import ACME, NODE
from trustplane.fault import Refused
from trustplane.main.settings import AgentSettings, FederationSettings, HostPort, ServerSettings

HERE = Path("/x")
DOOR = HostPort("127.0.0.1", 8443)
AGENT = AgentSettings(NODE, ACME, (DOOR,), (DOOR,), HERE, HERE, HERE, HERE, HERE)
SERVER = ServerSettings(HERE, ACME, NODE, HERE)


@pytest.mark.parametrize("text", ["127.0.0.1:8443", "[::1]:8443", "db.example:0", "a:65535"])
def test_addresses_are_read_and_written_alike(text: str) -> None:
    assert str(HostPort.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "a", "a:", ":1", "a:65536", "a:-1", "a:+1", "a:1 ", "a: 1", "a:1\n", "::1:80", "a b:1", "a:1:2",
        "a:\u0663", "[::1]", "a:000001",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        HostPort.parse(text)
    assert caught.value.code == "bad-address"


@pytest.mark.parametrize("given", ["listen_web", "web_certificate", "web_key"])
def test_an_https_web_endpoint_has_all_it_needs_or_nothing(given: str) -> None:
    assert FederationSettings(listen_web=DOOR, web_certificate=HERE, web_key=HERE).listen_spiffe is None
    with pytest.raises(Refused) as caught:
        FederationSettings(**{given: DOOR if given == "listen_web" else HERE})  # type: ignore[arg-type] # one of three
    assert caught.value.code == "half-a-web-endpoint"


def test_a_database_is_in_the_data_directory_unless_one_is_named() -> None:
    assert SERVER.database == "sqlite:////x/trustplane.db"
    assert replace(SERVER, database_url="postgresql://h/d").database == "postgresql://h/d"


def test_an_agent_without_a_server_to_go_to_is_refused() -> None:
    for servers, enrolment in (((), (DOOR,)), ((DOOR,), ())):
        with pytest.raises(Refused) as caught:
            replace(AGENT, servers=servers, enrolment=enrolment)
        assert caught.value.code == "no-server-address"


def test_half_a_node_certificate_is_refused() -> None:
    for certificate, key in ((HERE, None), (None, HERE)):
        with pytest.raises(Refused) as caught:
            replace(AGENT, node_certificate_file=certificate, node_key_file=key)
        assert caught.value.code == "half-a-node-certificate"
    assert replace(AGENT, node_certificate_file=HERE, node_key_file=HERE).node_key_file == HERE

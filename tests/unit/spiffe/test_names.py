from __future__ import annotations

import pytest

from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, agent_id, default_id, node_of, server_dns_name, server_id

ACME = TrustDomain("acme.example")


@pytest.mark.parametrize("name", ["a", "web", "eu-west-1", "0", "a" * 63])
def test_names_are_labels(name: str) -> None:
    assert str(NodeName(name)) == name
    assert str(ServiceName(name, name)) == f"{name}/{name}"


@pytest.mark.parametrize("name", ["", "a" * 64, "-a", "a-", "A", "a_b", "a.b", "a/b", "a\n", "é", " a"])
def test_what_is_no_label_is_no_name(name: str) -> None:
    for make in (lambda: NodeName(name), lambda: ServiceName(name, "web"), lambda: ServiceName("shop", name)):
        with pytest.raises(Refused) as caught:
            make()
        assert caught.value.code == "bad-name"


def test_a_service_is_read_from_namespace_and_name() -> None:
    assert ServiceName.parse("shop/web") == ServiceName("shop", "web")
    for text in ("web", "shop/", "/web", "shop/web/x"):
        with pytest.raises(Refused):
            ServiceName.parse(text)


def test_ids_that_trustplane_gives() -> None:
    assert str(default_id(ACME, ServiceName("shop", "web"))) == "spiffe://acme.example/ns/shop/sa/web"
    assert str(agent_id(ACME, NodeName("n1"))) == "spiffe://acme.example/trustplane/agent/n1"
    assert str(server_id(ACME, NodeName("s1"))) == "spiffe://acme.example/trustplane/server/s1"
    assert server_dns_name(ACME) == "server.acme.example"


def test_the_node_of_an_agent_and_of_nobody_else() -> None:
    assert node_of(agent_id(ACME, NodeName("n1"))) == NodeName("n1")
    for path in ((), ("trustplane", "agent"), ("trustplane", "server", "n1"), ("x", "agent", "n1"),
                 ("trustplane", "agent", "n1", "x")):  # fmt: skip
        with pytest.raises(Refused) as caught:
            node_of(SpiffeId(ACME, path))
        assert caught.value.code == "not-an-agent"

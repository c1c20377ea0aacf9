"""Who gets which identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.issuing_ports import ACME, NODE, WEB, leaf_key, profile
from trustplane.fault import Refused
from trustplane.issuance.admit import Right, admit, admit_node, admit_server
from trustplane.issuance.ask import Ask
from trustplane.issuance.csr import Csr
from trustplane.issuance.record import Purpose
from trustplane.registry.model import KeyKind
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName

CSR = Csr.parse(leaf_key().csr())
ASK = Ask(NODE, WEB, CSR)
RIGHT = Right(NODE, WEB, profile())


def test_a_right_admits() -> None:
    admitted = admit(ASK, RIGHT)
    assert (admitted.spiffe_id, admitted.node, admitted.purpose) == (WEB, NODE, Purpose.WORKLOAD)
    assert admitted.dns_names == ()


@pytest.mark.parametrize(
    "right",
    [
        None,
        replace(RIGHT, node=NodeName("node-b")),
        replace(RIGHT, spiffe_id=SpiffeId.parse("spiffe://acme.example/ns/shop/sa/ledger")),
    ],
)
def test_no_right_or_anothers_does_not(right: Right | None) -> None:
    with pytest.raises(Refused) as refused:
        admit(ASK, right)
    assert refused.value.code == "not-entitled"
    assert refused.value.finding.what == f"spiffe://acme.example/trustplane/agent/node-a may not ask for {WEB}"
    assert "node-a" in refused.value.finding.fix


@pytest.mark.parametrize("path", [(), ("trustplane", "agent", "node-a"), ("trustplane", "server", "server-1")])
def test_the_trust_domain_and_trustplanes_own_names_are_nobodys_to_have(path: tuple[str, ...]) -> None:
    spiffe_id = SpiffeId(ACME, path)
    with pytest.raises(Refused, match="not-entitled"):
        admit(Ask(NODE, spiffe_id, CSR), Right(NODE, spiffe_id, profile()))


def test_the_key_is_of_the_kind_the_profile_asks_for() -> None:
    with pytest.raises(Refused) as refused:
        admit(ASK, replace(RIGHT, profile=profile(KeyKind.P384)))
    assert refused.value.code == "wrong-key-kind"
    assert "default@1 asks for p384" in refused.value.finding.why


def test_a_node_and_a_server_get_their_own_names() -> None:
    node = admit_node(ACME, NODE, CSR, profile())
    assert (str(node.spiffe_id), node.purpose) == ("spiffe://acme.example/trustplane/agent/node-a", Purpose.NODE)
    server = admit_server(ACME, NodeName("server-1"), CSR, profile())
    assert str(server.spiffe_id) == "spiffe://acme.example/trustplane/server/server-1"
    assert server.dns_names == ("server.acme.example",)

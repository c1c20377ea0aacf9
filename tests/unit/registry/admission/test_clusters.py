from __future__ import annotations

import pytest

from tests.kit.repository import WEB, findings, only, repository
from trustplane.fault import Refused
from trustplane.registry.clusters import MAX_CLUSTERS, MAX_PATTERNS, Cluster, Clusters, NamePattern
from trustplane.registry.model import DesiredState
from trustplane.registry.repository import read
from trustplane.spiffe.names import ClusterName, NodeName

EAST, WEST = ClusterName("east"), ClusterName("west")


def files(clusters: str) -> dict[str, bytes]:
    return repository(trustdomain=f"trust_domain: acme.example\nclusters:\n{clusters}", shop__web=WEB)


def declared(clusters: str) -> Clusters:
    state: DesiredState = read(files(clusters))
    return state.clusters


def test_nodes_and_servers_belong_to_the_cluster_that_names_them() -> None:
    found = declared("  east: {nodes: [east-*, node-7], servers: [server-east]}\n  west: {nodes: [west-*]}\n")
    assert [str(name) for name in found.declared] == ["east", "west"]
    assert found.of_node(NodeName("east-1")) == found.of_node(NodeName("node-7")) == EAST
    assert found.of_node(NodeName("west-1")) == WEST
    assert found.of_node(NodeName("node-77")) is None
    assert found.of_server(NodeName("server-east")) == EAST
    assert found.of_server(NodeName("east-1")) is None, "a node is no server"


def test_nobody_has_to_declare_any() -> None:
    assert read(repository(shop__web=WEB)).clusters == Clusters()
    assert Clusters().of_node(NodeName("node-a")) is None


@pytest.mark.parametrize(
    ("east", "west"),
    [("[node-a]", "[node-a]"), ("[node-*]", "[node-a]"), ("[node-a]", "[node-*]"), ("[n-*]", "[n-a-*]")],
)
@pytest.mark.parametrize("kind", ["nodes", "servers"])
def test_a_node_or_server_in_two_clusters_is_refused_where_it_stands(east: str, west: str, kind: str) -> None:
    finding = only(files(f"  east: {{{kind}: {east}}}\n  west: {{{kind}: {west}}}\n"))
    assert finding.code == "two-clusters"
    assert (finding.place.file, finding.place.line) == ("trustdomain.yaml", 4)  # type: ignore[union-attr] # it has one
    assert "in line 3" in finding.what


def test_names_that_only_begin_alike_do_not_meet() -> None:
    assert not NamePattern("east-1").meets(NamePattern("east-10"))
    assert not NamePattern("east-*").meets(NamePattern("west-*"))
    assert declared("  east: {nodes: [east-1], servers: [one]}\n  west: {nodes: [east-10, one]}\n").declared


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("  east: {}\n", "empty-cluster"),
        ("  east: {nodes: []}\n", "empty-cluster"),
        ("  East: {nodes: [a]}\n", "bad-name"),
        ("  east: {nodes: [A]}\n", "bad-name"),
        ("  east: {nodes: ['-a*']}\n", "bad-name-pattern"),
        ("  east: {nodes: ['*']}\n", "bad-name-pattern"),
        ("  east: {nodes: ['a*b']}\n", "bad-name"),
        ("  east: {nodes: [a, a]}\n", "duplicate-item"),
        ("  east: {node: [a]}\n", "unknown-key"),
        ("  east: [a]\n", "wrong-type"),
        ("  - east\n", "wrong-type"),
    ],
)
def test_what_is_written_wrongly_is_refused(written: str, code: str) -> None:
    assert code in {one.code for one in findings(files(written))}


def test_how_many_there_may_be_is_bounded() -> None:
    many = "".join(f"  c{number}: {{nodes: [n{number}]}}\n" for number in range(MAX_CLUSTERS + 1))
    assert only(files(many)).code == "too-many-clusters"
    names = tuple(NamePattern(f"n{number}") for number in range(MAX_PATTERNS + 1))
    with pytest.raises(Refused, match="names"):
        Cluster(EAST, nodes=names)

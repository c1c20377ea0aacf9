"""`clusters` in trustdomain.yaml: its keys and reader."""

from __future__ import annotations

from trustplane.fault import Refused
from trustplane.registry.clusters import MAX_CLUSTERS, Cluster, Clusters, NamePattern
from trustplane.registry.fields import Fields, each, text, wrong_type
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import Mapping, Node
from trustplane.spiffe.names import ClusterName


def clusters(node: Node, findings: Findings) -> Clusters:
    if not isinstance(node, Mapping):
        raise wrong_type("a mapping from each cluster to its nodes and servers", node)
    if len(node.fields) > MAX_CLUSTERS:
        raise Refused(
            code="too-many-clusters",
            what=f"there are {len(node.fields)} clusters",
            why=f"each is shown by itself and is a label of metrics; {MAX_CLUSTERS} are allowed",
            fix="speak of those together that fail together",
        )
    found = {}
    for name, (key, terms) in node.fields.items():
        with findings.at(key.place):
            cluster = _cluster(ClusterName(name), terms, findings)
            if cluster:
                found[cluster.name] = cluster
    return Clusters(dict(sorted(found.items())))


def _cluster(name: ClusterName, node: Node, findings: Findings) -> Cluster | None:
    before = len(findings)
    fields = Fields(node, {"nodes", "servers"}, findings)
    nodes = fields.optional("nodes", lambda one: each(one, _pattern, findings), ())
    servers = fields.optional("servers", lambda one: each(one, _pattern, findings), ())
    if len(findings) > before:
        return None
    return Cluster(name, tuple(sorted(nodes)), tuple(sorted(servers)))


def _pattern(node: Node) -> NamePattern:
    return NamePattern(text(node))

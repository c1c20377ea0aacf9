"""trustdomain.yaml, namespaces.yaml and profiles/<name>.yaml: their keys, defaults and readers.

Each reader returns a value, or none after telling `findings` everything that is wrong with the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Dictionary
from datetime import timedelta

from trustplane.fault import Refused
from trustplane.registry.budgets import Budgets
from trustplane.registry.cluster_file import clusters
from trustplane.registry.clusters import Clusters
from trustplane.registry.draft import DomainFile, Drafted
from trustplane.registry.federation_file import refresh_hint, relations
from trustplane.registry.fields import Fields, duration, each, integer, nearest, text, wrong_type
from trustplane.registry.findings import Findings, shown
from trustplane.registry.model import KeyKind, Namespace, Profile, RenewalWindow
from trustplane.registry.yaml_tree import Mapping, Node
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName

STANDARD = Profile(
    name="standard",
    version=0,  # files count from 1, so `standard@0` is always this one
    key=KeyKind.P256,
    lifetime=timedelta(hours=1),
    backdate=timedelta(seconds=30),
    renew=RenewalWindow(0.5, 0.75),
)

_DOMAIN_KEYS = frozenset(
    {"trust_domain", "default_profile", "readers", "mttd", "mttr", "federation", "refresh_hint", "clusters"}
)
_WINDOW = re.compile(r"([1-9][0-9]?)%-([1-9][0-9]?)%")
_OWNER = re.compile(r"[A-Za-z0-9@._/:+-]{1,128}")


def domain_file(tree: Node, findings: Findings) -> DomainFile | None:
    before = len(findings)
    fields = Fields(tree, _DOMAIN_KEYS, findings)
    name = fields.required("trust_domain", lambda node: TrustDomain(text(node)), "acme.example")
    default_profile = fields.optional("default_profile", text, STANDARD.name)
    readers = fields.optional("readers", lambda node: each(node, spiffe_id, findings), ())
    mttd = fields.optional("mttd", lambda node: _budget(node, "mttd"), None)
    mttr = fields.optional("mttr", lambda node: _budget(node, "mttr"), None)
    federation = fields.optional("federation", lambda node: relations(node, findings), {})
    hint = fields.optional("refresh_hint", refresh_hint, DEFAULT_REFRESH_HINT)
    declared = fields.optional("clusters", lambda node: clusters(node, findings), Clusters())
    if name is None or len(findings) > before:
        return None
    return DomainFile(name, default_profile, frozenset(readers), Budgets(mttd, mttr), federation, hint, declared)


def namespaces_file(tree: Node, findings: Findings) -> tuple[Dictionary[str, Drafted[Namespace]], frozenset[str]]:
    """The namespaces without findings, and the names of all."""
    if not isinstance(tree, Mapping):
        raise wrong_type("a mapping from each namespace to its owners", tree)
    found = {}
    for name, (key, node) in tree.fields.items():
        with findings.at(key.place):
            namespace = _namespace(name, node, findings)
            if namespace:
                found[name] = Drafted(namespace, node)
    return found, frozenset(tree.fields)


def profile_file(name: str, tree: Node, findings: Findings) -> Profile | None:
    before = len(findings)
    fields = Fields(tree, {"version", "key", "lifetime", "backdate", "renew"}, findings)
    profile = Profile(
        name=name,
        version=fields.optional("version", _version, 1),
        key=fields.optional("key", _key, STANDARD.key),
        lifetime=fields.optional("lifetime", duration, STANDARD.lifetime),
        backdate=fields.optional("backdate", duration, STANDARD.backdate),
        renew=fields.optional("renew", _window, STANDARD.renew),
    )
    return profile if len(findings) == before else None


def _budget(node: Node, name: str) -> timedelta:
    found = duration(node)
    Budgets(**{name: found})  # refuses what is no budget, here where its place is known
    return found


def owner(node: Node) -> str:
    found = text(node)
    if not _OWNER.fullmatch(found):
        raise Refused(
            code="bad-owner",
            what=f"{shown(found)} does not name a group of owners",
            why="a group is 1 to 128 letters, digits and @ . _ / : + -",
            fix="write for example payments-team",
        )
    return found


def spiffe_id(node: Node) -> SpiffeId:
    return SpiffeId.parse(text(node))


def _namespace(name: str, node: Node, findings: Findings) -> Namespace | None:
    ServiceName(name, "any")  # refuses what is no namespace's name
    before = len(findings)
    fields = Fields(node, {"owners", "prefixes", "shared_with"}, findings)
    owners = fields.required("owners", lambda one: each(one, owner, findings), "[payments-team]")
    prefixes = fields.optional("prefixes", lambda one: each(one, _prefix, findings), ())
    shared = fields.optional("shared_with", lambda one: each(one, _trust_domain, findings), ())
    if owners == ():
        raise Refused(
            code="no-owners",
            what=f"the namespace {name} has no owners",
            why="nobody could answer for its identities",
            fix="write owners: [payments-team]",
        )
    if owners is None or len(findings) > before:
        return None
    return Namespace(name, tuple(sorted(owners)), tuple(sorted(prefixes)), tuple(sorted(shared)))


def _trust_domain(node: Node) -> TrustDomain:
    return TrustDomain(text(node))


def _prefix(node: Node) -> tuple[str, ...]:
    found = text(node)
    if not found.startswith("/") or found == "/":
        raise Refused(
            code="bad-prefix",
            what=f"{shown(found)} is not a path prefix",
            why="a prefix is the start of a SPIFFE ID's path, from its first slash, in whole segments",
            fix="write for example /legacy/shop",
        )
    return SpiffeId(TrustDomain("any"), tuple(found[1:].split("/"))).path


def _version(node: Node) -> int:
    version = integer(node)
    if version == 0:
        raise Refused(
            code="bad-version",
            what="the version is 0",
            why="versions of a profile file count from 1; 0 is the one built in",
            fix="write version: 1",
        )
    return version


def _key(node: Node) -> KeyKind:
    name = text(node)
    if name.lower() in ("ed25519", "ed448"):
        raise Refused(
            code="refused-key-kind",
            what=f"{name} keys are not used in X.509-SVIDs",
            why="Envoy and common verifiers refuse certificates with such keys, so the service would be unreachable",
            fix="write key: p256",
        )
    kinds = {kind.value: kind for kind in KeyKind}
    if name not in kinds:
        raise Refused(
            code="unknown-value",
            what=f"{shown(name)} is no kind of key{nearest(name, kinds)}",
            why="a key is made exactly as its profile says",
            fix=f"write one of {', '.join(kinds)}",
        )
    return kinds[name]


def _window(node: Node) -> RenewalWindow:
    found = _WINDOW.fullmatch(text(node))
    if not found:
        raise wrong_type("a part of the lifetime such as 50%-75%", node)
    return RenewalWindow(int(found[1]) / 100, int(found[2]) / 100)

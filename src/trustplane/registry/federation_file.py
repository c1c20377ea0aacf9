"""What the files say of other trust domains: `federation` in trustdomain.yaml, and federation/<trust domain>.json.

The JSON file is the first bundle of the relation it is named after. It is trusted because it was reviewed with the
repository it stands in; what is fetched later takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from datetime import timedelta

from trustplane.fault import Place, Refused
from trustplane.registry import layout
from trustplane.registry.endpoint import Endpoint
from trustplane.registry.federation import MAX_RELATIONS, ForeignCall, ForeignCaller, Relation
from trustplane.registry.fields import Fields, duration, each, integer, one_of, text, wrong_type
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import Mapping, Node
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.federation_endpoint import EndpointProfile, EndpointUrl
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.patterns import IdPattern

SHORTEST_HINT, LONGEST_HINT = timedelta(seconds=5), timedelta(days=1)

_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")


def first_bundles(files: Dictionary[str, bytes], findings: Findings) -> dict[TrustDomain, Bundle]:
    """Of every federation/<trust domain>.json that can be read."""
    found = {}
    for path, content in sorted(files.items()):
        name = layout.bundle_named_by(path)
        if name is not None:
            with findings.at(Place(path, 1)):
                trust_domain = TrustDomain(name)
                found[trust_domain] = bundle_document.decode(content, trust_domain)
    return found


def relations(node: Node, findings: Findings) -> dict[TrustDomain, Relation]:
    if not isinstance(node, Mapping):
        raise wrong_type("a mapping from each trust domain to its endpoint, profile and accepts", node)
    if len(node.fields) > MAX_RELATIONS:
        raise Refused(
            code="too-many-relations",
            what=f"there are {len(node.fields)} federation relations",
            why=f"each is fetched by itself, for ever; {MAX_RELATIONS} are allowed",
            fix="federate with those that services here have to do with",
        )
    found = {}
    for name, (key, terms) in node.fields.items():
        with findings.at(key.place):
            relation = _relation(TrustDomain(name), terms, findings)
            if relation:
                found[relation.trust_domain] = relation
    return found


def _relation(trust_domain: TrustDomain, node: Node, findings: Findings) -> Relation | None:
    before = len(findings)
    fields = Fields(node, {"endpoint", "profile", "endpoint_id", "accepts", "roots"}, findings)
    url = fields.required("endpoint", lambda one: EndpointUrl(text(one)), "https://trust.partner.example/bundle")
    profile = fields.required("profile", _profile, "https_spiffe")
    endpoint_id = fields.optional("endpoint_id", lambda one: SpiffeId.parse(text(one)), None)
    accepts = fields.required("accepts", lambda one: each(one, _path_of(trust_domain), findings), "[/ns/billing/]")
    roots = fields.optional("roots", lambda one: each(one, text, findings), ())
    if url is None or profile is None or accepts is None or len(findings) > before:
        return None
    return Relation(trust_domain, url, profile, tuple(sorted(accepts)), endpoint_id, frozenset(roots))


def _profile(node: Node) -> EndpointProfile:
    return EndpointProfile(one_of({one.value for one in EndpointProfile})(node))


def _path_of(trust_domain: TrustDomain) -> Callable[[Node], IdPattern]:
    return lambda node: IdPattern.of_path(trust_domain, text(node))


def refresh_hint(node: Node) -> timedelta:
    found = duration(node)
    if not SHORTEST_HINT <= found <= LONGEST_HINT:
        raise Refused(
            code="bad-refresh-hint",
            what=f"others would be asked to fetch the bundle every {found}",
            why="a hint is 5 seconds to a day: a longer one keeps a new root from being used for as long again",
            fix="write for example refresh_hint: 5m",
        )
    return found


def foreign_callers(node: Node, findings: Findings) -> tuple[ForeignCaller, ...]:
    if not isinstance(node, Mapping):
        raise wrong_type("a mapping from SPIFFE IDs, or prefixes that end in a slash, to {operations: [...]}", node)
    found = []
    for name, (key, terms) in node.fields.items():
        with findings.at(key.place):
            fields = Fields(terms, {"operations"}, findings)
            operations = fields.optional("operations", lambda one: _named(one, findings), ())
            found.append(ForeignCaller(IdPattern.parse(name), operations))
    return tuple(sorted(found))


def foreign_calls(node: Node, findings: Findings) -> tuple[ForeignCall, ...]:
    if not isinstance(node, Mapping):
        raise wrong_type("a mapping from SPIFFE IDs to {listen: 20301, endpoints: [192.0.2.7:20201]}", node)
    found = []
    for name, (key, terms) in node.fields.items():
        with findings.at(key.place):
            fields = Fields(terms, {"listen", "endpoints"}, findings)
            listen = fields.required("listen", integer, "20301")
            endpoints = fields.required("endpoints", lambda one: each(one, _endpoint, findings), "[192.0.2.7:20201]")
            if listen is not None and endpoints is not None:
                found.append(ForeignCall(SpiffeId.parse(name), listen, tuple(sorted(endpoints))))
    return tuple(sorted(found))


def _endpoint(node: Node) -> Endpoint:
    found = _ENDPOINT.fullmatch(text(node))
    if not found:
        raise Refused(
            code="bad-address",
            what=f"{shown(text(node))} is not an address and a port",
            why="proxies are given addresses, not names",
            fix="write for example 192.0.2.7:20201 or [2001:db8::7]:20201",
        )
    return Endpoint(found[1] or found[2], int(found[3]))


def _named(node: Node, findings: Findings) -> tuple[str, ...]:
    names = each(node, text, findings)
    if not names:
        raise Refused(
            code="empty-list",
            what="this caller is given no operations",
            why="an empty list would be read as all of them",
            fix="name the operations, or remove the key to allow all of them",
            place=node.place,
        )
    return tuple(sorted(names))

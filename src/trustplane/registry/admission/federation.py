"""Federation: no name of another organisation is taken for one of ours or of a third one, and nothing is let in twice.

A path may be a name of ours in our domain and of theirs in theirs; rules, logs and people then tell the two apart by a
few letters. So accepted paths of one trust domain overlap neither with what our namespaces hold nor with what is
accepted of another, unless the namespace's owners say `shared_with`. Who may call is named within what its relation
accepts; a root belongs to one trust domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from trustplane.fault import Place
from trustplane.registry.admission.namespaces import held_by
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.federation import Relation
from trustplane.registry.fields import nearest
from trustplane.registry.findings import Findings
from trustplane.registry.model import Namespace, Service
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.federation_endpoint import EndpointProfile
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import RESERVED_SEGMENT
from trustplane.spiffe.patterns import IdPattern
from trustplane.spiffe.revoked import digest_of


def check_federation(draft: Draft, findings: Findings) -> None:
    relations = draft.relations()
    for relation in relations.values():
        _check_relation(draft, relation, findings)
        for pattern in relation.accepts:
            _check_accepted(draft, relation, pattern, findings)
    _check_between(draft, relations, findings)
    _check_bundle_files(draft, findings)
    for _, drafted in sorted(draft.services.items()):
        _check_service(relations, drafted, findings)


def check_known_roots(draft: Draft, known: Mapping[TrustDomain, frozenset[str]], findings: Findings) -> None:
    """`known`: every root this server has ever held of a trust domain, its own included."""
    for name, relation in draft.relations().items():
        stated = stated_roots(relation)
        holder = next((other for other, roots in sorted(known.items()) if other != name and roots & stated), None)
        if holder:
            _root_of_another(draft, name, holder, findings)
        if stated and known.get(name) and not stated & known[name]:
            findings.add(
                code="known-with-another-root",
                what=f"{name} is known here with other roots than the ones stated for it",
                why="one name would mean two organisations: whoever is let in by it was once somebody else",
                fix=f"if {name} really made new roots, `trustplane federation forget {name}`, then apply this again",
                place=_place(draft, name),
            )


def stated_roots(relation: Relation) -> frozenset[str]:
    """Fingerprints by which the operator says who the trust domain is; none with https_web and no more."""
    return relation.roots | _roots_of(relation.first_bundle)


def _roots_of(bundle: Bundle | None) -> frozenset[str]:
    return frozenset(map(digest_of, bundle.x509_authorities)) if bundle else frozenset()


def _place(draft: Draft, name: TrustDomain, *path: str) -> Place:
    return draft.domain.place("federation", name.name, *path)


def _check_relation(draft: Draft, relation: Relation, findings: Findings) -> None:
    name, first = relation.trust_domain, relation.first_bundle
    if name == draft.domain.value.trust_domain:
        findings.add(
            code="federates-with-itself",
            what=f"{name} is this trust domain itself",
            why="its own bundle reaches everybody without being fetched",
            fix="remove the relation",
            place=_place(draft, name),
        )
    if first and relation.roots and not relation.roots & _roots_of(first):
        findings.add(
            code="first-bundle-not-pinned",
            what=f"federation/{name}.json holds none of the roots pinned for {name}",
            why="one of the two is of somebody else",
            fix=f"compare both with the operators of {name} by another channel",
            place=_place(draft, name, "roots"),
        )
    if relation.profile is EndpointProfile.HTTPS_SPIFFE and not _can_be_verified(draft, relation):
        authority = relation.endpoint_id.trust_domain if relation.endpoint_id else name
        findings.add(
            code="endpoint-unverifiable",
            what=f"nothing here verifies the endpoint {relation.endpoint_id} of {name}",
            why="an https_spiffe endpoint is verified from the first contact on (SPIFFE Federation §5.2.2.2)",
            fix=f"save the bundle of {authority}, as its operators hand it over, as federation/{authority}.json, "
            "or pin its root: roots: [<SHA-256>]",
            place=_place(draft, name, "endpoint_id"),
        )


def _can_be_verified(draft: Draft, relation: Relation) -> bool:
    """By a first bundle, by a root that is pinned, by a relation that may fetch one, or by our own."""
    if relation.endpoint_id is None or relation.endpoint_id.trust_domain == draft.domain.value.trust_domain:
        return True
    authority = relation.endpoint_id.trust_domain
    if authority.name in draft.declared_bundles or relation.begins_with_a_pin:
        return True
    return authority != relation.trust_domain and authority in draft.domain.value.federation


def _check_accepted(draft: Draft, relation: Relation, pattern: IdPattern, findings: Findings) -> None:
    name, place = relation.trust_domain, _place(draft, relation.trust_domain, "accepts", pattern.path_text)
    for _, drafted in sorted(draft.namespaces.items()):
        if name not in drafted.value.shared_with and any(pattern.paths_meet(one) for one in _held(drafted.value)):
            findings.add(
                code="prefix-is-ours",
                what=f"{pattern.path_text} of {name} overlaps with what our namespace {drafted.value.name} holds",
                why="a rule, a log line or a person would tell their service from ours by the trust domain alone",
                fix=f"accept a narrower path, or let the owners of {drafted.value.name} write shared_with: [{name}]",
                place=place,
            )
    if pattern.paths_meet(IdPattern(name, (RESERVED_SEGMENT,), below=True)) and pattern.path:
        findings.add(
            code="reserved-prefix",
            what=f"{pattern.path_text} of {name} would be accepted",
            why=f"/{RESERVED_SEGMENT} names servers and agents, which are nobody's callers",
            fix="accept the paths of services",
            place=place,
        )


def _held(namespace: Namespace) -> Iterator[IdPattern]:
    for prefix in held_by(namespace):
        yield IdPattern(TrustDomain("ours"), prefix, below=True)


def _check_between(draft: Draft, relations: Mapping[TrustDomain, Relation], findings: Findings) -> None:
    for one, other in combinations(relations.values(), 2):
        _check_pair(draft, one, other, findings)


def _check_pair(draft: Draft, one: Relation, other: Relation, findings: Findings) -> None:
    for theirs in other.accepts:
        met = next((mine for mine in one.accepts if mine.paths_meet(theirs)), None)
        if met and not _is_shared(draft, one.trust_domain, other.trust_domain, theirs):
            findings.add(
                code="prefix-of-another-domain",
                what=f"{theirs.path_text} of {other.trust_domain} overlaps with {met.path_text} of {one.trust_domain}",
                why="two organisations' services would be told apart by the trust domain alone",
                fix="accept paths that differ, or the single services that are meant",
                place=_place(draft, other.trust_domain, "accepts", theirs.path_text),
            )
    if stated_roots(one) & stated_roots(other):
        _root_of_another(draft, other.trust_domain, one.trust_domain, findings)


def _root_of_another(draft: Draft, name: TrustDomain, holder: TrustDomain, findings: Findings) -> None:
    findings.add(
        code="root-of-another-domain",
        what=f"a root stated for {name} is known as one of {holder}",
        why="whoever has its key could be a service of either: a root belongs to one trust domain",
        fix="find out from both organisations whose it is",
        place=_place(draft, name),
    )


def _is_shared(draft: Draft, one: TrustDomain, other: TrustDomain, pattern: IdPattern) -> bool:
    """A namespace that shares its paths with both has thought about exactly this."""
    return any(
        {one, other} <= set(drafted.value.shared_with)
        and any(held.paths_meet(pattern) for held in _held(drafted.value))
        for drafted in draft.namespaces.values()
    )


def _check_bundle_files(draft: Draft, findings: Findings) -> None:
    known = {name.name for name in draft.domain.value.federation}
    for name in sorted(draft.declared_bundles - known):
        findings.add(
            code="bundle-without-relation",
            what=f"federation/{name}.json is the bundle of a trust domain there is no relation with"
            f"{nearest(name, known)}",
            why="it looks as if it were trusted, and is not",
            fix=f"add {name} to federation in trustdomain.yaml, or remove the file",
            place=Place(f"federation/{name}.json", 1),
        )


def _check_service(relations: Mapping[TrustDomain, Relation], drafted: Drafted[Service], findings: Findings) -> None:
    service = drafted.value
    for caller in service.foreign_callers:
        place = drafted.place("foreign_callers", str(caller.pattern))
        _check_named(relations, service, caller.pattern, place, findings)
        offered = [one.name for one in service.operations]
        for operation in caller.operations:
            if operation not in offered:
                findings.add(
                    code="unknown-operation",
                    what=f"{service.name} offers no operation {operation!r:.100}{nearest(operation, offered)}",
                    why="a grant of an operation that does not exist would allow nothing, or later too much",
                    fix=f"use one of {', '.join(offered) or 'none: it declares no operations'}, or remove operations",
                    place=drafted.place("foreign_callers", str(caller.pattern), "operations", operation),
                )
    for call in service.foreign_calls:
        exactly = IdPattern(call.spiffe_id.trust_domain, call.spiffe_id.path, below=False)
        _check_named(relations, service, exactly, drafted.place("foreign_calls", str(call.spiffe_id)), findings)
    if service.foreign_calls and service.ports is None:
        findings.add(
            code="calls-without-ports",
            what=f"{service.name} calls services of other trust domains and has no ports",
            why="calls go through the service's own sidecar, and a service without ports has none",
            fix="write ports: {app: 20101, mesh: 20201}, or remove foreign_calls",
            place=drafted.place("foreign_calls"),
        )
    _check_once(drafted, findings)


def _check_named(
    relations: Mapping[TrustDomain, Relation], service: Service, pattern: IdPattern, place: Place, findings: Findings
) -> None:
    relation = relations.get(pattern.trust_domain)
    if relation is None:
        findings.add(
            code="unknown-federation",
            what=f"{service.name} names {pattern}, and there is no relation with {pattern.trust_domain}"
            f"{nearest(pattern.trust_domain.name, [one.name for one in relations])}",
            why="without that trust domain's bundle nobody of it can be verified",
            fix=f"add {pattern.trust_domain} to federation in trustdomain.yaml, or remove this",
            place=place,
        )
    elif not relation.allows(pattern):
        findings.add(
            code="not-accepted",
            what=f"{service.name} names {pattern}, which the relation with {pattern.trust_domain} does not accept",
            why="what an organisation may be called here is decided once, for all services",
            fix=f"name somebody within {', '.join(one.path_text for one in relation.accepts)}, or widen accepts",
            place=place,
        )


def _check_once(drafted: Drafted[Service], findings: Findings) -> None:
    for one, other in combinations(drafted.value.foreign_callers, 2):
        if one.pattern.covers(other.pattern) or other.pattern.covers(one.pattern):
            findings.add(
                code="foreign-callers-overlap",
                what=f"{other.pattern} is meant by {one.pattern} too"
                if one.pattern.below
                else f"{one.pattern} overlaps",
                why="the same caller would have the operations of both, and a reader sees one of the two",
                fix="keep one of them, or narrow the wider one",
                place=drafted.place("foreign_callers", str(other.pattern)),
            )

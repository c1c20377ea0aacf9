"""All that one sidecar should hold, computed whole from what it is, its SVID and the bundles it trusts.

A snapshot that exists is closed: every cluster, route and secret it refers to is in it, and there is a listener and
a cluster, because a proxy that is given none deletes all it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from trustplane.fault import Broken, Refused
from trustplane.registry.candidate import NO_CANDIDATE, Candidate
from trustplane.registry.view import Sidecar, Withdrawn
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.verify import BundleSet
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.xds import generations, inbound, outbound, secrets, shadow, tls
from trustplane.xds.resources import Kind, Offer, Resource
from trustplane.xds.surroundings import Surroundings

# Where Envoy's messages name another resource, and of which kind.
_REFERENCES: Mapping[str, Kind] = {
    "cluster": Kind.CLUSTER,
    "route_config_name": Kind.ROUTE,
    "validation_context_sds_secret_config": Kind.SECRET,
    "tls_certificate_sds_secret_configs": Kind.SECRET,
}


@dataclass(frozen=True, slots=True)
class Snapshot(Offer):
    def __post_init__(self) -> None:
        super(Snapshot, self).__post_init__()
        for kind in (Kind.LISTENER, Kind.CLUSTER, Kind.SECRET):
            if not self.of(kind):
                raise Broken(
                    code="xds-snapshot-empty",
                    what=f"the snapshot has no {kind.name.lower()}",
                    why="a proxy that is given none deletes all it has",
                    fix="report this with the output of trustplane status",
                )
        for one in self.resources:
            for kind, name in _references(one.content):
                if name not in self.of(kind):
                    raise _dangling(one, kind, name)


NOTHING_WITHDRAWN = Withdrawn()


def snapshot(
    sidecar: Sidecar,
    svid: KeyedSvid,
    bundles: BundleSet,
    here: Surroundings,
    withdrawn: Withdrawn = NOTHING_WITHDRAWN,
    *,
    former: Sequence[str] = (),
) -> Snapshot:
    """`former`: generations of connections that the sidecar may still have let in."""
    own = sidecar.spiffe_id.trust_domain
    sidecar = _with_trusted(sidecar, bundles)
    # Only what is referred to: a proxy never asks for more, and would seem not to hold it.
    way_in = () if sidecar.foreign_callers else (own,)
    domains = {*way_in, *(callee.spiffe_id.trust_domain for callee in sidecar.callees)}
    return Snapshot(
        (
            *inbound.resources(sidecar, here, withdrawn, _generations(sidecar, svid.svid, bundles, withdrawn, former)),
            *outbound.resources(sidecar, svid.svid, bundles, here, withdrawn),
            secrets.leaf(str(sidecar.spiffe_id), svid),
            *(_bundle(domain, bundles, own, withdrawn) for domain in sorted(domains)),
            *_peers(sidecar, bundles),
            *shadow.resources(NO_CANDIDATE, None, own),
        )
    )


def trying(whole: Offer, sidecar: Sidecar, candidate: Candidate) -> Snapshot:
    """The same snapshot, its requests judged by the candidate too; what is enforced stays, byte by byte."""
    tried = shadow.resources(candidate, candidate.about(sidecar.service), sidecar.spiffe_id.trust_domain)
    return Snapshot((*(one for one in whole if one.kind is not Kind.EXTENSION), *tried))


def _generations(
    sidecar: Sidecar, svid: X509Svid, bundles: BundleSet, withdrawn: Withdrawn, before: Sequence[str]
) -> tuple[str, ...]:
    if not sidecar.connections.drains:
        return ()
    _of(sidecar.spiffe_id.trust_domain, bundles)  # refused, not broken, when there is none
    newest = generations.of_inbound(sidecar, svid, bundles, withdrawn)
    return (newest, *generations.former(newest, before))


def _with_trusted(sidecar: Sidecar, bundles: BundleSet) -> Sidecar:
    """Without other trust domains that have no bundle, or an empty one: one of them must not cost the others."""
    own = sidecar.spiffe_id.trust_domain

    def is_trusted(domain: TrustDomain) -> bool:
        return domain == own or bool(domain in bundles and bundles[domain].x509_authorities)

    return replace(
        sidecar,
        callees=tuple(one for one in sidecar.callees if is_trusted(one.spiffe_id.trust_domain)),
        foreign_callers=tuple(one for one in sidecar.foreign_callers if is_trusted(one.pattern.trust_domain)),
    )


def _peers(sidecar: Sidecar, bundles: BundleSet) -> Iterator[Resource]:
    """A bundle for each trust domain of those who may connect, side by side: none vouches for another's names."""
    if others := sidecar.foreign_domains():
        yield secrets.bundles(tls.PEERS, [_of(one, bundles) for one in (sidecar.spiffe_id.trust_domain, *others)])


def _bundle(domain: TrustDomain, bundles: BundleSet, own: TrustDomain, withdrawn: Withdrawn) -> Resource:
    return secrets.bundle(str(domain.id), _of(domain, bundles), own, [one.crl for one in withdrawn.crls])


def _of(domain: TrustDomain, bundles: BundleSet) -> Bundle:
    if domain not in bundles:
        raise Refused(
            code="bundle-missing",
            what=f"there is no bundle of the trust domain {domain}",
            why="a call to a service of that domain could not be verified",
            fix=f"declare a federation with {domain}, or remove the call",
        )
    return bundles[domain]


def _references(content: object) -> Iterator[tuple[Kind, str]]:
    match content:
        case Mapping():
            if "config_discovery" in content:
                yield Kind.EXTENSION, str(content["name"])
            for key, value in content.items():
                if key in _REFERENCES:
                    yield from ((_REFERENCES[key], name) for name in _names(value))
                else:
                    yield from _references(value)
        case list() | tuple():
            for value in content:
                yield from _references(value)
        case _:
            return


def _names(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            yield str(value["name"])
        case list():
            for one in value:
                yield from _names(one)
        case _:
            return


def _dangling(one: Resource, kind: Kind, name: str) -> Broken:
    return Broken(
        code="xds-snapshot-not-closed",
        what=f"the {one.kind.name.lower()} {one.name} refers to the {kind.name.lower()} {name}, which is not there",
        why="a proxy would wait for it and refuse traffic",
        fix="report this with the output of trustplane status",
    )

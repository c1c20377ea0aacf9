"""Who holds another trust domain's bundle, against who should: from what agents and proxies acknowledged.

An agent holds its node's view, a sidecar the secrets made of it. What each should hold is computed here, from the view
the server means, and not believed from the one who reports; so the end of a relation is proved by everybody's
acknowledgement of something that the trust domain is not in. Whoever has not acknowledged may still hold it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from trustplane.registry.records import Holding, Hosting
from trustplane.registry.view import NodeView, Sidecar
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.xds.secrets import known_as
from trustplane.xds.tls import PEERS

_VIEW = "view"
_PEERS = f"secret/{PEERS}"
_SIDECAR = "sidecar "
_WAY_IN = ("listener/inbound", "route/inbound")

Things = Mapping[str, Holding]


class State(Enum):
    REFUSES = "refuses it"
    NOT_YET = "does not hold it yet"
    STILL = "may still hold it"
    HOLDS = "holds it"


@dataclass(frozen=True, slots=True, order=True)
class Reach:
    node: NodeName
    participant: str
    state: State


def reach(
    name: TrustDomain,
    holdings: Sequence[Holding],
    views: Mapping[NodeName, tuple[NodeView, str]],
    bundles: BundleSet,
) -> tuple[Reach, ...]:
    """Of everyone who holds the bundle of `name`, or should. `views`: what each node should hold, with its digest."""
    things: defaultdict[tuple[NodeName, str], dict[str, Holding]] = defaultdict(dict)
    for one in holdings:
        things[one.node, one.participant][one.thing] = one
    found = []
    for (node, participant), held in things.items():
        state = _state(name, participant, held, views.get(node), bundles)
        if state is not None:
            found.append(Reach(node, participant, state))
    order = list(State)
    return tuple(sorted(found, key=lambda one: (order.index(one.state), one.node, one.participant)))


def behind(
    name: TrustDomain,
    known: tuple[Sequence[Holding], Sequence[Hosting]],
    views: Mapping[NodeName, tuple[NodeView, str]],
    bundles: BundleSet,
) -> int:
    """How many do not provably hold the bundle of `name` as it is held here; who was never heard of counts too."""
    holdings, hosting = known
    found = reach(name, holdings, views, bundles)
    heard = {(one.node, one.participant) for one in holdings}
    nodes = {one.node for one in holdings if one.thing == _VIEW}
    told = {node: one.digest for node, (view, _) in views.items() for one in view.bundles if one.trust_domain == name}
    # A node that is itself only about to be told of the newest one proves nothing by holding what it was told.
    untold = {node for node, digest in told.items() if name in bundles and digest != bundles[name].digest}
    sidecars = {(one.node, f"{_SIDECAR}{one.service}") for one in hosting if one.node in views}
    silent = [
        participant
        for node, participant in sidecars - heard
        if _expected(name, _sidecar_of(views[node][0], participant), bundles)
    ]
    return len((told.keys() - nodes) | untold) + len(silent) + sum(one.state is not State.HOLDS for one in found)


def _sidecar_of(view: NodeView, participant: str) -> Sidecar | None:
    return next((one for one in view.sidecars if f"{_SIDECAR}{one.service}" == participant), None)


def _state(
    name: TrustDomain, participant: str, held: Things, meant: tuple[NodeView, str] | None, bundles: BundleSet
) -> State | None:
    if meant is None:
        return None  # its node is gone, and with it whatever it held
    view, digest = meant
    in_view = any(one.trust_domain == name for one in view.bundles)
    if _VIEW in held:
        return _of_agent(held[_VIEW], digest, wanted=in_view)
    if participant.startswith(_SIDECAR):
        return _of_sidecar(name, held, _expected(name, _sidecar_of(view, participant), bundles))
    return _of_client(held.get(f"secret/{name.id}"), wanted=in_view)


def _of_agent(view: Holding, digest: str, *, wanted: bool) -> State | None:
    if wanted:
        return State.HOLDS if view.held == digest else State.NOT_YET
    return None if view.held == digest else State.STILL


def _expected(name: TrustDomain, sidecar: Sidecar | None, bundles: BundleSet) -> dict[str, str]:
    """The secrets in which it should hold the bundle of `name`, by their digests; empty: in none."""
    if sidecar is None or name not in bundles or not bundles[name].x509_authorities:
        return {}
    found = {}
    if any(one.spiffe_id.trust_domain == name for one in sidecar.callees):
        found[f"secret/{name.id}"] = bundles[name].digest
    if name in sidecar.foreign_domains():
        found[_PEERS] = peers_digest(sidecar, bundles)
    return found


def peers_of(view: NodeView, participant: str, bundles: BundleSet) -> str:
    """The digest by which a sidecar holds all domains that may call it; empty if only its own may, or it is none."""
    sidecar = _sidecar_of(view, participant)
    return peers_digest(sidecar, bundles) if sidecar and sidecar.foreign_domains() else ""


def peers_digest(sidecar: Sidecar, bundles: BundleSet) -> str:
    domains = (sidecar.spiffe_id.trust_domain, *sidecar.foreign_domains())
    return known_as([bundles[one] for one in domains if one in bundles and bundles[one].x509_authorities])


def _of_sidecar(name: TrustDomain, held: Things, expected: Mapping[str, str]) -> State | None:
    behind = any(held[thing].held != held[thing].desired for thing in _WAY_IN if thing in held)
    if expected:
        if any(held[thing].refusal for thing in expected if thing in held):
            return State.REFUSES
        has_all = all(thing in held and held[thing].held == digest for thing, digest in expected.items())
        return State.HOLDS if has_all and not behind else State.NOT_YET
    own = held.get(f"secret/{name.id}")
    peers = held.get(_PEERS)
    stray = bool(own and own.held) or bool(peers and peers.held and peers.held != peers.desired)
    return State.STILL if stray or behind else None


def _of_client(secret: Holding | None, *, wanted: bool) -> State | None:
    """Some other Envoy that asked for the bundle by its name."""
    if secret is None or not secret.held:
        return None
    if not wanted:
        return State.STILL
    return State.HOLDS if secret.held == secret.desired else State.NOT_YET

"""The digest of a node's view, and the difference between two views.

Applying the difference of two views to the first gives the second, exactly. Two views have one digest if and only if
their content is the same. The revision is no content: one that changes nothing for a node is not pushed to it. Nor are
a candidate and what services offer, which enforce nothing: they are told beside the content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from trustplane.registry.candidate import Candidate
from trustplane.registry.connections import BY_AGE, Connections
from trustplane.registry.model import Operation
from trustplane.registry.offered import Offered
from trustplane.registry.view import Callee, Entry, NodeView, Sidecar, TrustedBundle, Withdrawn
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName

Item = TypeVar("Item")
Key = TypeVar("Key", SpiffeId, ServiceName, TrustDomain)

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ViewChange:
    """What to set and what to remove; everything else stays. What has no key of its own is set whole."""

    revision: int
    entries: tuple[Entry, ...] = ()
    removed_entries: tuple[SpiffeId, ...] = ()
    sidecars: tuple[Sidecar, ...] = ()
    removed_sidecars: tuple[ServiceName, ...] = ()
    bundles: tuple[TrustedBundle, ...] = ()
    removed_bundles: tuple[TrustDomain, ...] = ()
    withdrawn: Withdrawn | None = None
    candidate: Candidate | None = None
    offered: tuple[Offered, ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the content stays as it is; the revision may still move."""
        return self == ViewChange(self.revision)


def digest(view: NodeView) -> str:
    """Hex SHA-256 over the content of `view`. A part added later is left out while it is empty, as if unknown."""
    content: tuple[Any, ...] = (
        [_entry(entry) for entry in view.entries],
        [_sidecar(sidecar) for sidecar in view.sidecars],
        [(bundle.trust_domain.name, bundle.document, bundle.digest) for bundle in view.bundles],
    )
    if view.withdrawn != Withdrawn():
        content = (*content, _withdrawn(view.withdrawn))
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def difference(old: NodeView, new: NodeView) -> ViewChange:
    entries, removed_entries = _difference(old.entries, new.entries, _entry_key)
    sidecars, removed_sidecars = _difference(old.sidecars, new.sidecars, _sidecar_key)
    bundles, removed_bundles = _difference(old.bundles, new.bundles, _bundle_key)
    return ViewChange(
        revision=new.revision,
        entries=entries,
        removed_entries=removed_entries,
        sidecars=sidecars,
        removed_sidecars=removed_sidecars,
        bundles=bundles,
        removed_bundles=removed_bundles,
        withdrawn=None if new.withdrawn == old.withdrawn else new.withdrawn,
        candidate=None if new.candidate == old.candidate else new.candidate,
        offered=None if new.offered == old.offered else new.offered,
    )


def applied(view: NodeView, change: ViewChange) -> NodeView:
    return replace(
        view,
        revision=change.revision,
        entries=_applied(view.entries, change.entries, change.removed_entries, _entry_key),
        sidecars=_applied(view.sidecars, change.sidecars, change.removed_sidecars, _sidecar_key),
        bundles=_applied(view.bundles, change.bundles, change.removed_bundles, _bundle_key),
        withdrawn=view.withdrawn if change.withdrawn is None else change.withdrawn,
        candidate=view.candidate if change.candidate is None else change.candidate,
        offered=view.offered if change.offered is None else change.offered,
    )


def _entry_key(entry: Entry) -> SpiffeId:
    return entry.spiffe_id


def _sidecar_key(sidecar: Sidecar) -> ServiceName:
    return sidecar.service


def _bundle_key(bundle: TrustedBundle) -> TrustDomain:
    return bundle.trust_domain


def _difference(
    old: Sequence[Item], new: Sequence[Item], key: Callable[[Item], Key]
) -> tuple[tuple[Item, ...], tuple[Key, ...]]:
    before = {key(item): item for item in old}
    after = {key(item) for item in new}
    return (
        tuple(item for item in new if before.get(key(item)) != item),
        tuple(one for one in before if one not in after),
    )


def _applied(
    items: Sequence[Item], changed: Iterable[Item], removed: Iterable[Key], key: Callable[[Item], Key]
) -> tuple[Item, ...]:
    found = {key(item): item for item in items}
    for gone in removed:
        found.pop(gone, None)
    found.update((key(item), item) for item in changed)
    return tuple(found[one] for one in sorted(found))


def _entry(entry: Entry) -> Sequence[Any]:
    selectors = sorted(str(selector) for selector in entry.selectors)
    told = (str(entry.service), str(entry.spiffe_id), selectors, entry.key.value, entry.profile, entry.hint)
    return (*told, [one.name for one in entry.federates]) if entry.federates else told


def _sidecar(sidecar: Sidecar) -> Sequence[Any]:
    told = (
        str(sidecar.service),
        str(sidecar.spiffe_id),
        (sidecar.ports.app, sidecar.ports.mesh),
        [(str(caller.spiffe_id), _requests(caller.operations)) for caller in sidecar.callers],
        [_callee(callee) for callee in sidecar.callees],
        [(probe.method, probe.path) for probe in sidecar.probes],
        sidecar.longest_request // _MICROSECOND,
        sidecar.leaf_lifetime // _MICROSECOND,
        *((sidecar.policy,) if sidecar.policy else ()),
        *_connections(sidecar.connections),
    )
    foreign = [(str(one.pattern), _requests(one.operations)) for one in sidecar.foreign_callers]
    return (*told, foreign) if foreign else told


def _callee(callee: Callee) -> Sequence[Any]:
    endpoints = [(endpoint.address, endpoint.port) for endpoint in callee.endpoints]
    return (
        str(callee.service or ""),
        str(callee.spiffe_id),
        callee.listen,
        endpoints,
        callee.longest_request // _MICROSECOND,
        *_connections(callee.connections),
    )


def _connections(one: Connections) -> Sequence[Any]:
    """As a mapping, so that it is not taken for a part that may be missing beside it."""
    if one == BY_AGE:
        return ()
    longest = None if one.longest is None else one.longest // _MICROSECOND
    return ({"longest": longest, "when_trust_changes": one.when_trust_changes.value},)


def _withdrawn(withdrawn: Withdrawn) -> Sequence[Any]:
    told = (
        [(one.authority, one.crl) for one in withdrawn.crls],
        [str(one) for one in withdrawn.ids],
        [(str(one.spiffe_id), one.sha256) for one in withdrawn.certificates],
        withdrawn.issuers,
        [(one.key_id, (one.since - _EPOCH) // _MICROSECOND, one.within // _MICROSECOND) for one in withdrawn.leaving],
    )
    return (*told, withdrawn.remake) if withdrawn.remake else told


def _requests(operations: Iterable[Operation]) -> list[tuple[str, str, str]]:
    return [(operation.name, operation.method, operation.path) for operation in operations]

"""What a difference between two states does, one sentence per effect.

An effect is dangerous when it lets someone in who was not, takes an identity away from someone who had it, or sets a
budget aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from trustplane.change.budget_effects import of_budgets
from trustplane.change.cluster_effects import of_clusters
from trustplane.change.described import Kind
from trustplane.change.effect import Effect, Subject
from trustplane.change.federation_effects import of_federation
from trustplane.change.grants import ANY_REQUEST, GrantChange, changed_grants, grants
from trustplane.change.policy_effects import decided_by_policy, of_policies
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.names import ServiceName


def effects(old: DesiredState | None, new: DesiredState) -> Mapping[Subject, tuple[Effect, ...]]:
    """By the item they belong to; `old` is none before anything was applied."""
    found: dict[Subject, set[Effect]] = defaultdict(set)
    before = old.services if old else {}
    for name in before.keys() | new.services.keys():
        pair = before.get(name), new.services.get(name)
        for spiffe_id, effect in _of_identity(*pair):
            found[Kind.ENTRY, spiffe_id].add(effect)
        found[Kind.SERVICE, str(name)].update(_of_ports(*pair), _of_probes(*pair))
    ruled = decided_by_policy(old, new)
    for change in changed_grants(grants(old) if old else {}, grants(new)):
        if change.edge.callee in ruled:
            continue
        for effect in _of_grant(change, is_new=change.edge.callee not in before):
            found[Kind.SERVICE, str(_where(change, before, new.services))].add(effect)
    for reader, effect in _of_readers(old, new):
        found[Kind.READER, reader].add(effect)
    for profile, effect in _of_profiles(old, new):
        found[Kind.PROFILE, profile].add(effect)
    further = (*of_budgets(old, new), *of_federation(old, new), *of_policies(old, new), *of_clusters(old, new))
    for subject, effect in further:
        found[subject].add(effect)
    return {subject: tuple(sorted(of_one)) for subject, of_one in found.items()}


def _of_identity(old: Service | None, new: Service | None) -> Iterator[tuple[str, Effect]]:
    if old and (not new or new.spiffe_id != old.spiffe_id):
        text = f"{old.name} loses the identity {old.spiffe_id}: its SVIDs run out and are not renewed"
        yield str(old.spiffe_id), Effect(text, dangerous=True)
    if new and (not old or new.spiffe_id != old.spiffe_id):
        text = f"processes that show {_selectors(new)} on {_nodes(new)} receive {new.spiffe_id}"
        yield str(new.spiffe_id), Effect(text)
    elif old and new:
        yield from ((str(new.spiffe_id), effect) for effect in _of_entry(old, new))


def _of_probes(old: Service | None, new: Service | None) -> Iterator[Effect]:
    if old and new:
        for probe in set(new.probes) - set(old.probes):
            text = f"anyone on its node may request {probe.method} {probe.path} of {new.name} without an identity"
            yield Effect(text, dangerous=True)


def _of_entry(old: Service, new: Service) -> Iterator[Effect]:
    """A process must show every selector, so one more admits fewer processes and one less admits more."""
    if dropped := sorted(map(str, old.selectors - new.selectors)):
        yield Effect(f"processes that do not show {' and '.join(dropped)} can now be {new.name}", dangerous=True)
    if added := sorted(map(str, new.selectors - old.selectors)):
        yield Effect(f"processes that do not show {' and '.join(added)} stop being {new.name}", dangerous=True)
    if old.nodes and not (new.nodes and new.nodes <= old.nodes):
        yield Effect(f"{new.name} can now be on {_nodes(new)}, until now on {_nodes(old)}", dangerous=True)
    if new.nodes and not (old.nodes and old.nodes <= new.nodes):
        yield Effect(f"{new.name} can now be only on {_nodes(new)}, until now on {_nodes(old)}", dangerous=True)
    if old.profile != new.profile:
        yield Effect(f"the next SVIDs of {new.name} follow the profile {new.profile}")


def _of_ports(old: Service | None, new: Service | None) -> Iterator[Effect]:
    before, after = _openings(old), _openings(new)
    for purpose in before.keys() | after.keys():
        match before.get(purpose), after.get(purpose):
            case None, int(port):
                yield Effect(f"a new port {port} opens on its node: {purpose}")
            case int(port), None:
                yield Effect(f"port {port} closes on its node: {purpose}")
            case int(one), int(other) if one != other:
                yield Effect(f"port {other} opens on its node in place of {one}: {purpose}")


def _openings(service: Service | None) -> dict[str, int]:
    """What the service's sidecar listens for."""
    if not service or not service.ports:
        return {}
    calls = {f"the way to {call.service}": call.listen for call in service.calls}
    calls |= {f"the way to {call.spiffe_id}": call.listen for call in service.foreign_calls}
    return {f"mutual TLS to {service.name}": service.ports.mesh, **calls}


def _of_grant(change: GrantChange, *, is_new: bool) -> Iterator[Effect]:
    """Losing one request because any is now allowed is no loss, nor is the reverse a gain."""
    edge = change.edge
    if change.gained and ANY_REQUEST not in change.lost:
        text = f"{edge.caller} gains calls to {edge.callee}: {', '.join(change.gained)}"
        yield Effect(text, dangerous=not is_new)
    if change.lost and ANY_REQUEST not in change.gained:
        kept = f", and keeps {', '.join(change.gained)}" if ANY_REQUEST in change.lost and change.gained else ""
        yield Effect(f"{edge.caller} loses calls to {edge.callee}: {', '.join(change.lost)}{kept}")


def _where(
    change: GrantChange, before: Mapping[ServiceName, Service], after: Mapping[ServiceName, Service]
) -> ServiceName:
    """The service whose file brought the change: the caller, unless only the callee's operations moved."""
    caller = change.edge.caller
    old, new = before.get(caller), after.get(caller)
    return change.edge.callee if old and new and old.calls == new.calls else caller


def _of_readers(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[str, Effect]]:
    before = old.readers if old else frozenset()
    for reader in new.readers - before:
        yield str(reader), Effect(f"{reader} may read the HTTPS API", dangerous=True)
    for reader in before - new.readers:
        yield str(reader), Effect(f"{reader} may no longer read the HTTPS API")


def _of_profiles(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[str, Effect]]:
    for name, profile in new.profiles.items():
        users = sum(service.profile == name for service in new.services.values())
        if old and name in old.profiles and old.profiles[name] != profile:
            yield name, Effect(f"the next SVIDs of {users} service{'' if users == 1 else 's'} follow it")


def _selectors(service: Service) -> str:
    return " and ".join(sorted(map(str, service.selectors)))


def _nodes(service: Service) -> str:
    return ", ".join(sorted(map(str, service.nodes))) or "any node"

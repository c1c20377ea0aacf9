"""What a change of federation does, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.change.described import Kind
from trustplane.change.effect import Effect, Subject
from trustplane.registry.federation import ForeignCaller, Relation
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import TrustDomain


def of_federation(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[Subject, Effect]]:
    before = old.federation if old else {}
    for name in sorted(before.keys() | new.federation.keys()):
        for effect in _of_relation(name, before.get(name), new.federation.get(name)):
            yield (Kind.FEDERATION, name.name), effect
    services = old.services if old else {}
    for service_name in sorted(services.keys() | new.services.keys()):
        for effect in _of_callers(services.get(service_name), new.services.get(service_name)):
            yield (Kind.SERVICE, str(service_name)), effect


def _of_relation(name: TrustDomain, old: Relation | None, new: Relation | None) -> Iterator[Effect]:
    if new and not old:
        who = new.endpoint_id or new.endpoint.host
        text = f"the authorities of {name} are trusted by the services that name it, as {who} publishes them"
        yield Effect(text, dangerous=True)
        if new.first_bundle is None and not new.roots:
            text = f"the first bundle of {name} is taken from {new.endpoint.host} unseen: no root is pinned"
            yield Effect(text, dangerous=True)
    if old and not new:
        yield Effect(f"nobody of {name} is verified any more, and its bundle is taken back from everyone who holds it")
    if old and new:
        if (old.endpoint, old.profile, old.endpoint_id) != (new.endpoint, new.profile, new.endpoint_id):
            text = f"the bundle of {name} is fetched from {new.endpoint} and no longer from {old.endpoint}"
            yield Effect(text, dangerous=True)
        if wider := [one for one in new.accepts if not old.allows(one)]:
            text = f"services may name {', '.join(one.path_text for one in wider)} of {name}"
            yield Effect(text, dangerous=True)


def _of_callers(old: Service | None, new: Service | None) -> Iterator[Effect]:
    """Another organisation that may call is news, also for a service that is new itself."""
    before, after = _callers(old), _callers(new)
    for caller in sorted(after - before):
        text = f"{caller.pattern} may call {_named(new)}: {', '.join(caller.operations) or 'all operations'}"
        yield Effect(text, dangerous=True)
    for caller in sorted(before - after):
        if caller.pattern not in {one.pattern for one in after}:
            yield Effect(f"{caller.pattern} may no longer call {_named(old)}")


def _callers(service: Service | None) -> frozenset[ForeignCaller]:
    return frozenset(service.foreign_callers) if service else frozenset()


def _named(service: Service | None) -> str:
    return str(service.name) if service else ""

"""What the files say, value by value with its place, before admission looks at it as a whole.

A file with findings of its own is left out but known to exist, so that one mistake is not reported again by everything
that refers to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Generic, TypeVar

from trustplane.fault import Place
from trustplane.registry.budgets import Budgets, Waiver
from trustplane.registry.clusters import Clusters
from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState, Namespace, Profile, Service
from trustplane.registry.yaml_tree import Node, locate
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drafted(Generic[T]):
    value: T
    tree: Node

    def place(self, *path: str) -> Place:
        """Of the key or item `path` names; of the nearest thing around it if that was left to its default."""
        return locate(self.tree, *path)


@dataclass(frozen=True, slots=True)
class DomainFile:
    """trustdomain.yaml."""

    trust_domain: TrustDomain
    default_profile: str
    readers: frozenset[SpiffeId]
    budgets: Budgets = field(default_factory=Budgets)
    federation: Mapping[TrustDomain, Relation] = field(default_factory=dict)
    refresh_hint: timedelta = DEFAULT_REFRESH_HINT
    clusters: Clusters = field(default_factory=Clusters)


@dataclass(frozen=True, slots=True)
class Draft:
    domain: Drafted[DomainFile]
    profiles: Mapping[str, Drafted[Profile]]
    namespaces: Mapping[str, Drafted[Namespace]]
    services: Mapping[ServiceName, Drafted[Service]]
    waivers: Mapping[str, Drafted[Waiver]]
    built_in: Mapping[str, Profile]
    declared_profiles: frozenset[str]
    declared_namespaces: frozenset[str]
    declared_services: frozenset[ServiceName]
    declared_waivers: frozenset[str]
    first_bundles: Mapping[TrustDomain, Bundle] = field(default_factory=dict)
    declared_bundles: frozenset[str] = frozenset()

    def relations(self) -> dict[TrustDomain, Relation]:
        """With the first bundles that stand beside them."""
        declared = sorted(self.domain.value.federation.items())
        return {name: replace(one, first_bundle=self.first_bundles.get(name)) for name, one in declared}

    def state(self) -> DesiredState:
        domain = self.domain.value
        return DesiredState(
            trust_domain=domain.trust_domain,
            default_profile=domain.default_profile,
            profiles={**self.built_in, **{name: one.value for name, one in sorted(self.profiles.items())}},
            namespaces={name: one.value for name, one in sorted(self.namespaces.items())},
            services={name: one.value for name, one in sorted(self.services.items())},
            readers=domain.readers,
            budgets=domain.budgets,
            waivers={name: one.value for name, one in sorted(self.waivers.items())},
            federation=self.relations(),
            refresh_hint=domain.refresh_hint,
            clusters=domain.clusters,
        )

"""From the files of a trust repository to desired state, or every finding at once.

`read` promises that what it returns is admitted: everything it refers to exists, every name has one owner, and no two
entries can be one process. `read_at` promises besides that every waiver is in force on that day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from types import MappingProxyType

from trustplane.fault import Place
from trustplane.registry import layout
from trustplane.registry.admission import admit
from trustplane.registry.admission.budgets import check_waivers_in_force
from trustplane.registry.admission.federation import check_known_roots
from trustplane.registry.budgets import Waiver
from trustplane.registry.draft import DomainFile, Draft, Drafted
from trustplane.registry.federation_file import first_bundles
from trustplane.registry.files import STANDARD, domain_file, namespaces_file, profile_file
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Namespace, Profile, Service
from trustplane.registry.service_file import Defaults, service_file
from trustplane.registry.waiver_file import waiver_file
from trustplane.registry.yaml_tree import Node, Text, parse
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import ServiceName

NOTHING_KNOWN: Mapping[TrustDomain, frozenset[str]] = MappingProxyType({})

# Stands in for a domain file that could not be read, so that the other files are checked all the same.
_NO_DOMAIN = DomainFile(TrustDomain("unknown.invalid"), STANDARD.name, frozenset())


def read(files: Mapping[str, bytes]) -> DesiredState:
    """`files` by their path in the repository, with `/`. On any day: waivers count whatever their end."""
    return _admitted(files, None, NOTHING_KNOWN)


def read_at(
    files: Mapping[str, bytes], at: datetime, known_roots: Mapping[TrustDomain, frozenset[str]] = NOTHING_KNOWN
) -> DesiredState:
    """As `read`, for a change that is made at that instant by who knows these roots of other trust domains."""
    return _admitted(files, at, known_roots)


def _admitted(
    files: Mapping[str, bytes], at: datetime | None, known_roots: Mapping[TrustDomain, frozenset[str]]
) -> DesiredState:
    findings = Findings()
    reading = _Reading(_trees(files, findings), findings)
    domain = reading.domain()
    stand_in = Drafted(_NO_DOMAIN, Text("", Place(layout.TRUST_DOMAIN_FILE, 1)))
    draft = reading.draft(_FirstBundles.of(files, findings), domain or stand_in)
    if domain:
        admit(draft, findings)
        check_known_roots(draft, known_roots, findings)
        if at is not None:
            check_waivers_in_force(draft, at, findings)
    findings.refuse_if_any()
    return draft.state()


def _trees(files: Mapping[str, bytes], findings: Findings) -> dict[str, Node | None]:
    """Each known file's tree; none where it has none, which `findings` then explains."""
    counted = [path for path in sorted(files) if not layout.is_ignored(path)]
    size = sum(len(files[path]) for path in counted)
    if len(counted) > layout.MAX_FILES or size > layout.MAX_TOTAL_BYTES:
        raise layout.too_large(len(counted), size)
    for path in counted:
        if not layout.is_known(path):
            with findings.at(None):
                raise layout.unknown_file(path)
    return {path: parse(path, files[path], findings) for path in counted if _is_yaml(path)}


def _is_yaml(path: str) -> bool:
    return layout.is_known(path) and layout.bundle_named_by(path) is None


@dataclass(frozen=True, slots=True)
class _FirstBundles:
    """Those that can be read, and the trust domains that have a file for one."""

    read: Mapping[TrustDomain, Bundle]
    declared: frozenset[str]

    @classmethod
    def of(cls, files: Mapping[str, bytes], findings: Findings) -> _FirstBundles:
        counted = {path: content for path, content in files.items() if not layout.is_ignored(path)}
        return cls(first_bundles(counted, findings), frozenset(filter(None, map(layout.bundle_named_by, counted))))


class _Reading:
    """One pass over the trees."""

    def __init__(self, trees: Mapping[str, Node | None], findings: Findings) -> None:
        self._trees = trees
        self._findings = findings

    def domain(self) -> Drafted[DomainFile] | None:
        tree = self._required(layout.TRUST_DOMAIN_FILE, "trust_domain: acme.example")
        if tree:
            with self._findings.at(tree.place):
                value = domain_file(tree, self._findings)
                return Drafted(value, tree) if value else None
        return None

    def draft(self, bundles: _FirstBundles, domain: Drafted[DomainFile]) -> Draft:
        profiles = self._profiles()
        namespaces, declared_namespaces = self._namespaces()
        paths = self._service_paths()
        built_in = {STANDARD.name: STANDARD}
        return Draft(
            domain=domain,
            profiles=profiles,
            namespaces=namespaces,
            services=self._services(paths, domain.value, namespaces),
            waivers=self._waivers(),
            built_in=built_in,
            declared_profiles=frozenset(chain(built_in, filter(None, map(layout.profile_named_by, self._trees)))),
            declared_namespaces=declared_namespaces,
            declared_services=frozenset(paths),
            declared_waivers=frozenset(filter(None, map(layout.waiver_named_by, self._trees))),
            first_bundles=bundles.read,
            declared_bundles=bundles.declared,
        )

    def _required(self, file: str, example: str) -> Node | None:
        if file not in self._trees:
            self._findings.add(
                code="missing-file",
                what=f"{file} is missing",
                why="every trust repository has one",
                fix=f"create it with for example {example}",
                place=Place(file, 1),
            )
        return self._trees.get(file)

    def _profiles(self) -> dict[str, Drafted[Profile]]:
        found = {}
        for path, tree in self._trees.items():
            name = layout.profile_named_by(path)
            if name is not None and tree:
                with self._findings.at(tree.place):
                    profile = profile_file(name, tree, self._findings)
                    if profile:
                        found[name] = Drafted(profile, tree)
        return found

    def _waivers(self) -> dict[str, Drafted[Waiver]]:
        found = {}
        for path, tree in self._trees.items():
            name = layout.waiver_named_by(path)
            if name is not None and tree:
                with self._findings.at(tree.place):
                    waiver = waiver_file(name, tree, self._findings)
                    if waiver:
                        found[name] = Drafted(waiver, tree)
        return found

    def _namespaces(self) -> tuple[Mapping[str, Drafted[Namespace]], frozenset[str]]:
        tree = self._required(layout.NAMESPACES_FILE, "shop: {owners: [shop-team]}")
        if tree:
            with self._findings.at(tree.place):
                return namespaces_file(tree, self._findings)
        return {}, frozenset()

    def _service_paths(self) -> dict[ServiceName, str]:
        found = {}
        for path in self._trees:
            names = layout.service_named_by(path)
            if names:
                with self._findings.at(Place(path, 1)):
                    found[ServiceName(*names)] = path
        return found

    def _services(
        self, paths: Mapping[ServiceName, str], domain: DomainFile, namespaces: Mapping[str, Drafted[Namespace]]
    ) -> dict[ServiceName, Drafted[Service]]:
        found = {}
        for name, path in paths.items():
            tree = self._trees[path]
            namespace = namespaces.get(name.namespace)
            owners = namespace.value.owners if namespace else ()
            if tree:
                with self._findings.at(tree.place):
                    defaults = Defaults(domain.trust_domain, domain.default_profile, owners)
                    service = service_file(name, tree, defaults, self._findings)
                    if service:
                        found[name] = Drafted(service, tree)
        return found

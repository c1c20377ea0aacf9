"""Every policy of a trust repository, checked: the one reading that commands, plans and proxies share.

A service's rules are its policy.cedar and what its policy.yaml stands for; without either, its declared callers. What
guard-rails forbid is forbidden beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trustplane.fault import Finding, Place, Refused
from trustplane.policy import document, profile
from trustplane.policy.access import Access
from trustplane.policy.cases import Case
from trustplane.policy.compile import compiled, grants
from trustplane.policy.difference import is_empty
from trustplane.policy.guard_rails import GuardRails, guard_rails
from trustplane.policy.guard_tests import guard_cases
from trustplane.policy.own_templates import own_templates
from trustplane.policy.policy_file import PolicyFile
from trustplane.policy.rules import PROBES, Rule, RuleSet, default_rules, probes_of
from trustplane.policy.shipped import TEMPLATES
from trustplane.policy.source import PolicySource, policies
from trustplane.policy.template import Template
from trustplane.policy.template_tests import TemplateTest, template_tests
from trustplane.policy.tree import ANYTHING
from trustplane.registry import layout, repository
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Service
from trustplane.registry.yaml_tree import Node, parse, readable
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import ServiceName


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules about one service, and the Cedar they come from; empty where they are the default.

    `guards` is the Cedar of the guard-rails that concern the service.
    """

    rules: RuleSet
    cedar: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """`state` holds every enforced policy compiled, too, as nodes are told it."""

    state: DesiredState
    written: Mapping[ServiceName, Policy]
    tests: Mapping[ServiceName, Node]  # policy_test.yaml, not yet read as cases
    guarded: Mapping[ServiceName, Policy] = field(default_factory=dict)  # without a policy, beside guard-rails
    guard_cases: Mapping[ServiceName, tuple[Case, ...]] = field(default_factory=dict)
    guard_rails: Mapping[str, Place] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)  # its own
    template_tests: tuple[TemplateTest, ...] = ()

    @property
    def enforced(self) -> Mapping[ServiceName, Policy]:
        """Every policy that a node is told of."""
        return {**self.guarded, **self.written}

    def policy_of(self, name: ServiceName) -> Policy:
        found = self.written.get(name) or self.guarded.get(name)
        return found or Policy(default_rules(self.state, self.state.services[name]))

    def rules_of(self, name: ServiceName) -> RuleSet:
        return self.policy_of(name).rules


def read(files: Mapping[str, bytes]) -> Book:
    """Refused with every finding, those of the other files first of all: policies speak of what they declare."""
    return _read(repository.read(_others(files)), files)


def read_at(
    files: Mapping[str, bytes],
    at: datetime,
    known_roots: Mapping[TrustDomain, frozenset[str]] = repository.NOTHING_KNOWN,
) -> Book:
    """As `read`, for a change that is made at that instant."""
    return _read(repository.read_at(_others(files), at, known_roots), files)


def _read(state: DesiredState, files: Mapping[str, bytes]) -> Book:
    findings = Findings()
    templates = own_templates(files, findings)
    rails = guard_rails(_sources(layout.GUARD_RAILS, files, findings), state, findings)
    reading = _Reading(
        state, files, {**TEMPLATES, **{name: one.template for name, one in templates.items()}}, rails, findings
    )
    written, tests = reading.policies(), reading.tests()
    guarded = _guarded(state, rails, written, findings)
    cases = guard_cases(_guard_tests(files, findings), rails, state, findings)
    uses = tuple(template_tests(templates, state, findings))
    findings.refuse_if_any()
    compiled_ones = {
        name: document.encode(compiled(one.rules, probes_of(state, one.rules.service)))
        for name, one in sorted({**guarded, **written}.items())
    }
    return Book(
        replace(state, policies=compiled_ones),
        written,
        tests,
        guarded,
        cases,
        rails.every,
        {name: one.template for name, one in templates.items()},
        uses,
    )


def _guard_tests(files: Mapping[str, bytes], findings: Findings) -> Node | None:
    path = layout.GUARD_RAILS_TEST
    return parse(path, files[path], findings) if path in files else None


def _sources(path: str, files: Mapping[str, bytes], findings: Findings) -> tuple[PolicySource, ...]:
    if path in files:
        with findings.at(Place(path, 1)):
            return policies(path, readable(path, files[path]), findings)
    return ()


def _guarded(
    state: DesiredState, rails: GuardRails, written: Mapping[ServiceName, Policy], findings: Findings
) -> dict[ServiceName, Policy]:
    """The services whose declared callers decide, as soon as a guard-rail concerns them."""
    found = {}
    for name in sorted(set(rails.rules) - set(written)):
        service = state.services[name]
        if service.foreign_callers:
            findings.add(
                code="guardrail-needs-policy",
                what=f"{name} declares foreign_callers and has no policy, and {rails.rules[name][0].id} concerns it",
                why="what is declared about other trust domains cannot be proved together with a guard-rail",
                fix=f"write a policy for {name} that names them: principal == Peer::... or in TrustDomain::...",
                place=rails.rules[name][0].place,
            )
        rules = replace(default_rules(state, service), guards=rails.rules[name])
        found[name] = Policy(rules, guards=rails.cedar[name])
    return found


def _others(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if not layout.is_of_policies(path)}


class _Reading:
    def __init__(
        self,
        state: DesiredState,
        files: Mapping[str, bytes],
        templates: Mapping[str, Template],
        rails: GuardRails,
        findings: Findings,
    ) -> None:
        self._state = state
        self._templates = templates
        self._rails = rails
        self._findings = findings
        self._files: dict[ServiceName, dict[str, tuple[str, bytes]]] = {}
        for path in sorted(files):
            named = layout.policy_file_named_by(path)
            if named and not layout.is_hidden(path):
                with findings.at(Place(path, 1)):
                    name = self._service(ServiceName(*named[:2]))
                    self._files.setdefault(name, {})[named[2]] = (path, files[path])

    def _service(self, name: ServiceName) -> ServiceName:
        if name not in self._state.services:
            raise Refused(
                code="policy-without-service",
                what=f"there is no service {name}",
                why="a policy protects the service whose service.yaml it stands beside",
                fix="move the file, or declare the service",
            )
        return name

    def policies(self) -> dict[ServiceName, Policy]:
        return {
            name: self._policy(self._state.services[name], files)
            for name, files in sorted(self._files.items())
            if layout.POLICY_CEDAR in files or layout.POLICY_YAML in files
        }

    def tests(self) -> dict[ServiceName, Node]:
        found = {}
        for name, files in sorted(self._files.items()):
            if layout.POLICY_TEST in files:
                tree = parse(*files[layout.POLICY_TEST], self._findings)
                if tree:
                    found[name] = tree
        return found

    def _policy(self, service: Service, files: Mapping[str, tuple[str, bytes]]) -> Policy:
        sources: list[PolicySource] = []
        if layout.POLICY_CEDAR in files:
            path, content = files[layout.POLICY_CEDAR]
            sources += _sources(path, {path: content}, self._findings)
        found = profile.rules(tuple(sources), self._state, service, self._findings)
        if layout.POLICY_YAML in files:
            used = list(self._used(*files[layout.POLICY_YAML], service))
            sources += (source for source, _ in used)
            found += (rule for _, rule in used)
        self._check_names(found)
        self._check_effects(found)
        guards = self._rails.rules.get(service.name, ())
        rules = RuleSet(service, tuple(sorted(found, key=lambda rule: rule.id)), guards=guards)
        return Policy(rules, tuple(source.text for source in sources), self._rails.cedar.get(service.name, ()))

    def _used(self, path: str, content: bytes, service: Service) -> Iterator[tuple[PolicySource, Rule]]:
        """Rules from templates stand where the template is used."""
        tree = parse(path, content, self._findings)
        if tree is None:
            return
        for use in PolicyFile(self._state, service, self._templates, self._findings).uses(tree):
            inner = Findings()
            sources = [one for text in use.cedar for one in policies(f"{path} ({use.template})", text, inner)]
            rules = profile.rules(tuple(sources), self._state, service, inner)
            for source, rule in zip(sources, rules, strict=False):
                yield source, replace(rule, place=use.place)
            with self._findings.at(use.place):
                _placed(inner, use.place)

    def _check_names(self, rules: list[Rule]) -> None:
        seen: dict[str, Rule] = {}
        for rule in rules:
            first = seen.setdefault(rule.id, rule)
            taken = first.place if first is not rule else self._rails.every.get(rule.id)
            if rule.id == PROBES or taken is not None:
                self._findings.add(
                    code="policy-duplicate-id",
                    what=f"{rule.id} is the name of two rules",
                    why="a log that names it would not say which of them decided"
                    + (f"; the first is at {taken}" if taken else ""),
                    fix="rename one of them; a use of a template takes id: and a name of its own",
                    place=rule.place,
                )

    def _check_effects(self, rules: list[Rule]) -> None:
        for rule in rules:
            plainly = rule.condition == ANYTHING and not rule.who.nobody
            if not plainly and is_empty(Access((), tuple(grants(rule)))):
                self._findings.keep(_never_applies(rule))


def _never_applies(rule: Rule) -> Finding:
    return Finding(
        code="policy-never-applies",
        what=f"no request can ever meet the rule {rule.id}",
        why="its conditions exclude each other, or its callers have no members; a rule without effect is a mistake",
        fix="correct its conditions, or remove it",
        place=rule.place,
    )


def _placed(inner: Findings, place: Place) -> None:
    try:
        inner.refuse_if_any()
    except Refused as refusal:
        raise Refused.all_of([replace(one, place=place) for one in refusal.findings]) from None

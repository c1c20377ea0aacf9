"""A waiver has a target, an owner who answers for it, and something to waive that no other waiver sets aside."""

from __future__ import annotations

from trustplane.registry.budget_rules import waived_by
from trustplane.registry.budgets import BudgetRule, ProfileName, Target, Waiver
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.fields import nearest
from trustplane.registry.findings import Findings, shown


def check_references(draft: Draft, findings: Findings) -> None:
    first: dict[tuple[BudgetRule, Target], str] = {}
    for name, drafted in sorted(draft.waivers.items()):
        _check_once(drafted, first.setdefault((drafted.value.rule, drafted.value.target), name), findings)
        _check_owner(draft, drafted, findings)
        if _is_declared(draft, drafted.value.target):
            _check_use(draft, drafted, findings)
        else:
            _unknown_target(draft, drafted, findings)


def _check_once(drafted: Drafted[Waiver], first: str, findings: Findings) -> None:
    if first != drafted.value.name:
        findings.add(
            code="waived-twice",
            what=f"{drafted.value.rule.value} is waived for {drafted.value.target} by waivers/{first}.yaml already",
            why="the later of two ends would count, and nobody decided on that",
            fix="keep one of the two",
            place=drafted.place("waives"),
        )


def _check_owner(draft: Draft, drafted: Drafted[Waiver], findings: Findings) -> None:
    """Whoever holds the namespaces concerned; for a profile that nobody uses yet, whoever holds any."""
    concerned = _namespaces_concerned(draft, drafted.value.target)
    if not concerned <= draft.namespaces.keys() or len(draft.services) < len(draft.declared_services):
        return  # what could not be read may say who that is
    known = {owner for name in concerned for owner in draft.namespaces[name].value.owners}
    if known and drafted.value.owner not in known:
        findings.add(
            code="stranger-owns-waiver",
            what=f"{shown(drafted.value.owner)} owns no namespace that {drafted.value.target} concerns",
            why="who waives a rule must be among those who answer for what it protects",
            fix=f"write one of {', '.join(sorted(known))}",
            place=drafted.place("owner"),
        )


def _namespaces_concerned(draft: Draft, target: Target) -> set[str]:
    if not isinstance(target, ProfileName):
        return {target.namespace} & draft.declared_namespaces
    users = {name.namespace for name, one in draft.services.items() if one.value.profile == target.text}
    return (users & draft.declared_namespaces) or set(draft.declared_namespaces)


def _is_declared(draft: Draft, target: Target) -> bool:
    match target:
        case ProfileName(name):
            return name in draft.declared_profiles
        case service:
            return service in draft.declared_services


def _check_use(draft: Draft, drafted: Drafted[Waiver], findings: Findings) -> None:
    if _can_be_judged(draft, drafted.value.target) and not waived_by(draft.state(), drafted.value):
        findings.add(
            code="waives-nothing",
            what=f"{drafted.value.target} does not break {drafted.value.rule.value}",
            why="a waiver nobody needs would silently excuse the next breach",
            fix=f"remove {drafted.value.file}",
            place=drafted.place("waives"),
        )


def _can_be_judged(draft: Draft, target: Target) -> bool:
    """Unless its profile or service could not be read."""
    state = draft.state()
    if isinstance(target, ProfileName):
        return target.text in state.profiles
    return target in state.services and state.services[target].profile in state.profiles


def _unknown_target(draft: Draft, drafted: Drafted[Waiver], findings: Findings) -> None:
    match drafted.value.target:
        case ProfileName(name):
            key, known = "profile", sorted(draft.declared_profiles)
        case service:
            key, name, known = "service", str(service), sorted(map(str, draft.declared_services))
    findings.add(
        code="unknown-waiver-target",
        what=f"there is no {key} {shown(name)}{nearest(name, known)}",
        why="a waiver of nothing is a mistake or a leftover",
        fix="correct the name, or remove the waiver",
        place=drafted.place(key),
    )

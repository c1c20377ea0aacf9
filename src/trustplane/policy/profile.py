"""The closed profile: policies as Cedar parsed them to checked rules, or every finding at once.

What cannot be compiled exactly is refused with its place and what to write instead. What is left must also pass Cedar's
strict validation against the generated schema, because Cedar skips a policy that fails while it is evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator

import cedarpy
from cedarpy import pst

from trustplane.fault import Place, Refused
from trustplane.policy.callers import Callers, unknown_kind
from trustplane.policy.conditions import Conditions
from trustplane.policy.rules import Effect, Rule
from trustplane.policy.schema import ACTION, PEER, SERVICE, methods, schema
from trustplane.policy.source import PolicySource
from trustplane.policy.tree import EVERYONE, NOTHING, Who
from trustplane.policy.words import Reader
from trustplane.registry.fields import nearest
from trustplane.registry.findings import Findings, shown
from trustplane.registry.model import DesiredState, Operation, Service

_ID = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,98}[a-z0-9])?")
_ANNOTATIONS = frozenset({"id", "reason", "ticket", "owner"})


def rules(sources: tuple[PolicySource, ...], state: DesiredState, service: Service, findings: Findings) -> list[Rule]:
    """The rules of the policies without findings."""
    found: list[tuple[PolicySource, Rule]] = []
    for source in sources:
        before = len(findings)
        rule = _rule(source, state, service, findings)
        if len(findings) == before:
            found.append((source, rule))
    invalid = validated([source for source, _ in found], service.operations, findings)
    return [rule for source, rule in found if source not in invalid]


def guard(
    source: PolicySource, service: Service, callers: Callers, known: Collection[str], findings: Findings
) -> Rule | None:
    """A guard-rail as a rule about the calls to this service; none if it is not about them.

    `known` are the operations and methods that any service offers.
    """
    tree, reader, at = source.tree, source.reader(), source.place
    name, who, operations, here = "", EVERYONE, tuple[Operation, ...](), True
    conditions = Conditions(Effect.FORBID, callers, service, reader, findings)
    with findings.at(at):
        name = _id(tree, reader, at)
    place = reader.place(tree.effect)
    with findings.at(place):
        who = _who(tree.principal, Effect.FORBID, callers, reader)
    with findings.at(place):
        operations = _guarded(tree.action, service, known, reader)
    with findings.at(place):
        here = _resource(tree.resource, conditions, reader)
    condition = conditions.of(tree.clauses)
    about_all = isinstance(tree.action, pst.ScopeAny)
    if not here or condition == NOTHING or not (operations or about_all):
        return None
    return Rule(name, Effect.FORBID, who, operations, condition, place, tree.annotations.get("owner") or "")


def actions_of(service: Service) -> dict[str, tuple[Operation, ...]]:
    """What a rule may call actions there: operations by name, and groups of them by method."""
    return {one.name: (one,) for one in service.operations} | methods(service.operations)


def _guarded(
    scope: pst.ActionConstraint, service: Service, known: Collection[str], reader: Reader
) -> tuple[Operation, ...]:
    reader.place("action")
    if isinstance(scope, pst.ScopeAny):
        return service.operations
    uids = (scope.entity,) if isinstance(scope, pst.ActionEq) else scope.entities
    here = actions_of(service)
    for uid in uids:
        place = reader.place(f'"{uid.id}"')
        if str(uid.type) != ACTION or uid.id not in known:
            raise _no_operation(uid, "any service", known, place)
    return tuple(sorted({one for uid in uids for one in here.get(uid.id, ())}))


def headers_of(node: object) -> Iterator[str]:
    """Names of headers a policy asks for."""
    match node:
        case pst.GetAttr(pst.GetAttr(pst.Var("context"), "headers"), name):
            yield name
        case pst.HasAttr(pst.GetAttr(pst.Var("context"), "headers"), names):
            yield names[0]
        case tuple():
            for one in node:
                yield from headers_of(one)
        case pst.When(inner) | pst.Unless(inner) | pst.UnaryOp(_, inner):
            yield from headers_of(inner)
        case pst.BinaryOp(_, left, right):
            yield from headers_of((left, right))
        case pst.IfThenElse(condition, then, otherwise):
            yield from headers_of((condition, then, otherwise))
        case _:
            return


def _rule(source: PolicySource, state: DesiredState, service: Service, findings: Findings) -> Rule:
    """Each part is read in the order of the text, and what one part refuses does not hide what the next would."""
    tree, reader, at = source.tree, source.reader(), source.place
    name, effect, callers = "", Effect(tree.effect), Callers(state)
    who, operations, here = EVERYONE, service.operations, True
    conditions = Conditions(effect, callers, service, reader, findings)
    with findings.at(at):
        name = _id(tree, reader, at)
    place = reader.place(tree.effect)
    with findings.at(place):
        who = _who(tree.principal, effect, callers, reader)
    with findings.at(place):
        operations = _operations(tree.action, service, reader)
    with findings.at(place):
        here = _resource(tree.resource, conditions, reader)
    condition = conditions.of(tree.clauses)
    if not here:
        with findings.at(place):
            raise _elsewhere(service)
    return Rule(name, effect, who, operations, condition, place)


def _elsewhere(service: Service) -> Refused:
    return Refused(
        code="policy-wrong-place",
        what=f"this rule is not about {service.name}",
        why="a policy stands beside the service it protects, and has no effect on another",
        fix=f'write resource, or resource == Service::"{service.name}", or move the rule',
    )


def _id(tree: pst.Template, reader: Reader, place: Place) -> str:
    unknown = sorted(set(tree.annotations) - _ANNOTATIONS)
    if unknown:
        raise Refused(
            code="policy-unknown-annotation",
            what=f"@{shown(unknown[0])} is no annotation here{nearest(unknown[0], _ANNOTATIONS)}",
            why="an annotation nobody reads would look as if it had an effect",
            fix=f"use one of {', '.join(f'@{one}' for one in sorted(_ANNOTATIONS))}",
            place=reader.place(unknown[0]),
        )
    name = tree.annotations.get("id", "")
    if not _ID.fullmatch(name):
        raise Refused(
            code="policy-bad-id",
            what=f"the rule's name is {shown(name)!r}" if name else "the rule has no name",
            why="logs, tests and explanations name the rule that decided: 1 to 100 lower-case letters, digits, . _ / -",
            fix='write for example @id("checkout-may-charge") before it',
            place=reader.place(f'"{name}"') if name else place,
        )
    return name


def _who(scope: pst.PrincipalOrResourceConstraint, effect: Effect, callers: Callers, reader: Reader) -> Who:
    place = reader.place("principal")
    match scope:
        case pst.ScopeAny():
            if effect is Effect.PERMIT:
                raise _for_anyone(place)
            return EVERYONE
        case pst.ScopeEq(pst.EntityUid(kind, name)) | pst.ScopeIn(pst.EntityUid(kind, name)):
            return callers.named(str(kind), name, reader.place(f'"{name}"'))
        case pst.ScopeIs(kind):
            if str(kind) != SERVICE:
                at = reader.place("is")
                raise _for_anyone(at) if str(kind) == PEER else unknown_kind(str(kind), at)
            return callers.own()
        case pst.ScopeIsIn(_, pst.EntityUid(kind, name)):
            return callers.named(str(kind), name, reader.place(f'"{name}"'))
        case _:
            raise _for_anyone(place)


def _for_anyone(place: Place) -> Refused:
    return Refused(
        code="policy-for-anyone",
        what="this permit does not say whom it is for",
        why="it would let in every identity of every trust domain there ever is a bundle for",
        fix='write principal == Service::"shop/checkout", principal in Namespace::"shop", principal is Service for '
        'every service of this trust domain, or principal in TrustDomain::"partner.example"',
        place=place,
    )


def _operations(scope: pst.ActionConstraint, service: Service, reader: Reader) -> tuple[Operation, ...]:
    place = reader.place("action")
    if not service.operations:
        raise Refused(
            code="policy-without-operations",
            what=f"{service.name} declares no operations",
            why="a rule says which operations it is about, and there are none to name",
            fix="declare them in service.yaml, for example operations: {charge: POST /charge}",
            place=place,
        )
    match scope:
        case pst.ScopeAny():
            return service.operations
        case pst.ActionEq(uid):
            return _named(uid, service, reader)
        case pst.ActionIn(uids):
            return tuple(sorted({one for uid in uids for one in _named(uid, service, reader)}))


def _named(uid: pst.EntityUid, service: Service, reader: Reader) -> tuple[Operation, ...]:
    place = reader.place(f'"{uid.id}"')
    known = actions_of(service)
    if str(uid.type) != ACTION or uid.id not in known:
        raise _no_operation(uid, str(service.name), known, place)
    return known[uid.id]


def _no_operation(uid: pst.EntityUid, of: str, known: Collection[str], place: Place) -> Refused:
    return Refused(
        code="policy-unknown-operation",
        what=f"{shown(str(uid))} is no operation of {of}{nearest(uid.id, known)}",
        why="operations are declared in service.yaml; a rule about another would never apply",
        fix=f"use one of {', '.join(sorted(known)[:20]) or 'none: no operations are declared'}",
        place=place,
    )


def _resource(scope: pst.PrincipalOrResourceConstraint, conditions: Conditions, reader: Reader) -> bool:
    place = reader.place("resource")
    match scope:
        case pst.ScopeAny() | pst.ScopeIs(pst.EntityType("Service", ())):
            return True
        case pst.ScopeEq(pst.EntityUid(kind, name)) | pst.ScopeIn(pst.EntityUid(kind, name)):
            return conditions.is_here(str(kind), name)
        case pst.ScopeIsIn(pst.EntityType("Service", ()), pst.EntityUid(kind, name)):
            return conditions.is_here(str(kind), name)
        case _:
            raise Refused(
                code="policy-wrong-place",
                what="this resource is no service",
                why="what is called is always a service",
                fix="write resource",
                place=place,
            )


def validated(sources: list[PolicySource], operations: tuple[Operation, ...], findings: Findings) -> list[PolicySource]:
    """Those that Cedar itself finds invalid, strictly, all at once: it numbers policies in the order of the text."""
    wanted = schema(operations, sorted({name for one in sources for name in headers_of(one.tree.clauses)}))
    result = cedarpy.validate_policies("\n".join(one.text for one in sources), json.dumps(wanted))
    errors = [(sources[int(error.policy_id.removeprefix("policy"))], error.error) for error in result.errors]
    # Cedar says it again for every action the policy is about.
    for place, error in {_quoted_in(error, source): error for source, error in reversed(errors)}.items():
        findings.add(
            code="policy-not-valid",
            what=shown(re.sub("^for policy `policy[0-9]+`, ", "", error)),
            why="Cedar skips a policy that fails while it is evaluated, so only those are taken that cannot fail",
            fix=_ASK_FIRST if "optional attribute" in error else "compare like with like, as the schema declares it",
            place=place,
        )
    return [source for source, _ in errors]


_ASK_FIRST = (
    "ask whether it is there before using it: "
    'context.headers has "x-team" && context.headers["x-team"].contains("payments")'
)


def _quoted_in(problem: str, source: PolicySource) -> Place:
    """Where the first name that Cedar quotes stands; the policy's start if it quotes none."""
    quoted = re.search(r"`([^`]+)`", re.sub("^for policy `policy[0-9]+`, ", "", problem))
    names = re.findall(r"[A-Za-z0-9_-]+", quoted[1]) if quoted else []
    return next((word.place for word in source.words if names and word.text.strip('"') == names[-1]), source.place)

"""What is meant to be refused or idle once a candidate is enforced, as people declare it."""

from __future__ import annotations

from collections.abc import Iterable

from trustplane.fault import Finding, Refused
from trustplane.policy.question import identity, service_called
from trustplane.registry.findings import shown
from trustplane.registry.model import DesiredState, Service
from trustplane.verdict.promotion import OUTSIDE, Expected, ExpectedDenial, ExpectedIdle, ExpectedUncounted

MOST_DIGITS = 12


def expectations(state: DesiredState, lines: Iterable[str]) -> frozenset[Expected]:
    """Refused with every line that says nothing."""
    found: set[Expected] = set()
    wrong: list[Finding] = []
    for line in lines:
        try:
            found.add(_expected(state, line))
        except Refused as refusal:
            wrong.extend(refusal.findings)
    if wrong:
        raise Refused.all_of(wrong)
    return frozenset(found)


def _expected(state: DesiredState, line: str) -> Expected:
    match line.split():
        case ["deny", caller, operation, callee]:
            service = service_called(state, callee)
            named = None if operation == OUTSIDE else _operation(service, operation)
            return ExpectedDenial(identity(state, caller), named, service.name)
        case ["idle", operation, callee]:
            service = service_called(state, callee)
            return ExpectedIdle(_operation(service, operation), service.name)
        case ["uncounted", most] if most.isascii() and most.isdecimal() and len(most) <= MOST_DIGITS:
            return ExpectedUncounted(int(most))
        case _:
            raise Refused(
                code="bad-expectation",
                what=f"{shown(line)!r} declares nothing",
                why="it is `deny CALLER OPERATION SERVICE`, `idle OPERATION SERVICE` or `uncounted REQUESTS`",
                fix=f'write for example "deny reporting charge payments"; {OUTSIDE} is a request of no operation',
            )


def _operation(service: Service, name: str) -> str:
    known = [one.name for one in service.operations]
    if name in known:
        return name
    raise Refused(
        code="bad-expectation",
        what=f"{service.name} offers no operation {shown(name)}",
        why="an expectation that can never be met would hide nothing, and is a mistake",
        fix=f"name one of {', '.join(known) or 'none: it declares no operations'}",
    )

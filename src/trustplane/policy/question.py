"""`checkout POST /charge payments`: a request as people ask about it."""

from __future__ import annotations

import re

from trustplane.fault import Refused
from trustplane.policy.target import normalised
from trustplane.policy.tree import Headers, Request
from trustplane.registry.fields import nearest
from trustplane.registry.findings import shown
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import SpiffeId

_METHOD = re.compile(r"[A-Za-z-]{1,40}")


def asked(state: DesiredState, question: str, headers: Headers = ()) -> tuple[Request, Service]:
    """The request and the service it is made of."""
    match question.split():
        case [caller, method, target, callee] if _METHOD.fullmatch(method):
            service = service_called(state, callee)
            port = service.ports.mesh if service.ports else 0
            return Request(identity(state, caller), method, normalised(target), headers, port), service
        case _:
            raise Refused(
                code="bad-question",
                what=f"{shown(question)!r} is not a request",
                why="it is a caller, a method, a path and a service, with one space between them",
                fix='write for example "checkout POST /charge payments"',
            )


def identity(state: DesiredState, name: str) -> SpiffeId:
    return SpiffeId.parse(name) if name.startswith("spiffe://") else service_called(state, name).spiffe_id


def service_called(state: DesiredState, name: str) -> Service:
    """By `shop/payments`, or by `payments` where only one namespace has it."""
    found = [one for one in state.services.values() if name in (str(one.name), one.name.name)]
    if len(found) == 1:
        return found[0]
    known = [str(one) for one in state.services]
    how_many = f"{len(found)} services are" if found else "no service is"
    raise Refused(
        code="unknown-service",
        what=f"{how_many} called {shown(name)}{'' if found else nearest(name, known)}",
        why="a question must be about one service",
        fix=f"write it with its namespace, as one of {', '.join(sorted(known)[:10])}",
    )

"""What Cedar itself says: the same policies, schema and entities, evaluated by Cedar's own engine.

A request is every operation that it matches: forbidden if it is under any of them, else allowed if it is under any.
What our rules and the proxies say must be the same, which tests and `trustplane policy test` insist on.
"""

from __future__ import annotations

import json

import cedarpy

from trustplane.fault import Broken
from trustplane.policy.access import Verdict
from trustplane.policy.profile import headers_of
from trustplane.policy.rules import matched
from trustplane.policy.schema import ACTION, DOMAIN, PEER, SERVICE, entities, schema
from trustplane.policy.tree import Request
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import SpiffeId


class Oracle:
    """Over one service's Cedar."""

    def __init__(self, state: DesiredState, service: Service, cedar: tuple[str, ...]) -> None:
        text = "\n".join(cedar)
        trees = cedarpy.policies_to_pst(text).static_policies
        self._state = state
        self._service = service
        self._names = {f"policy{at}": trees[f"policy{at}"].annotations["id"] for at in range(len(trees))}
        self._headers = sorted({name for one in trees.values() for name in headers_of(one.clauses)})
        self._policies = cedarpy.PolicySet.from_str(text)
        self._schema = cedarpy.Schema.from_json_str(json.dumps(schema(service.operations, self._headers)))
        self._entities = entities(state, service)
        self._known = cedarpy.Entities.from_json_str(json.dumps(self._entities), self._schema)
        self._services = state.names_by_id()

    def decide(self, request: Request) -> Verdict:
        allowed_by: str | None = None
        for operation in matched(self._service.operations, request):
            answer = self._asked(request, operation.name)
            reason = min((self._names[one] for one in answer.diagnostics.reasons), default=None)
            if answer.diagnostics.errors:
                raise _skipped(request, answer.diagnostics.errors)
            if answer.allowed:
                allowed_by = min(allowed_by or str(reason), str(reason))
            elif reason is not None:
                return Verdict(allowed=False, rule=reason)
        return Verdict(allowed=allowed_by is not None, rule=allowed_by)

    def _asked(self, request: Request, operation: str) -> cedarpy.AuthzResult:
        lines = {name: request.values(name) for name in self._headers}
        principal = self._principal(request.caller)
        return cedarpy.is_authorized(
            {
                "principal": principal,
                "action": {"type": ACTION, "id": operation},
                "resource": {"type": SERVICE, "id": str(self._service.name)},
                "context": {
                    "path": request.path,
                    "port": request.port,
                    "headers": {name: list(values) for name, values in lines.items() if values},
                },
            },
            self._policies,
            self._with(request.caller, principal),
            self._schema,
        )

    def _principal(self, caller: SpiffeId) -> dict[str, str]:
        if caller in self._services:
            return {"type": SERVICE, "id": self._services[caller]}
        kind = SERVICE if caller.trust_domain == self._state.trust_domain else PEER
        return {"type": kind, "id": str(caller)}

    def _with(self, caller: SpiffeId, principal: dict[str, str]) -> cedarpy.Entities:
        """Whoever is not registered is a member of its trust domain and of nothing else."""
        if caller in self._services:
            return self._known
        domain = {"type": DOMAIN, "id": str(caller.trust_domain)}
        attributes: dict[str, list[str]] = {"data": []} if principal["type"] == SERVICE else {}
        stranger = {"uid": principal, "attrs": attributes, "parents": [domain]}
        return self._known.with_added_json_str(json.dumps([stranger]), self._schema)


def _skipped(request: Request, errors: list[str]) -> Broken:
    return Broken(
        code="policy-skipped",
        what=f"Cedar skipped a policy while deciding {request}: {errors[0]:.200}",
        why="a policy that passed strict validation cannot fail, and a forbid that is skipped allows",
        fix="report this with the policy",
    )

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
from trustplane.policy.schema import ACTION, DOMAIN, PEER, SERVICE, member, schema, surroundings
from trustplane.policy.tree import Request
from trustplane.registry.model import DesiredState, Service
from trustplane.spiffe.ids import SpiffeId

MOST_CALLERS = 1_000  # whose entities are kept ready


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
        self._known = cedarpy.Entities.from_json_str(json.dumps(surroundings(state, service)), self._schema)
        self._with_caller: dict[SpiffeId, cedarpy.Entities] = {}
        self._services = {one.spiffe_id: one for one in state.services.values()}

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
            self._with(request.caller),
            self._schema,
        )

    def _principal(self, caller: SpiffeId) -> dict[str, str]:
        if caller in self._services:
            return {"type": SERVICE, "id": str(self._services[caller].name)}
        kind = SERVICE if caller.trust_domain == self._state.trust_domain else PEER
        return {"type": kind, "id": str(caller)}

    def _with(self, caller: SpiffeId) -> cedarpy.Entities:
        """What can bear on its requests: of all services only itself and the one that is called."""
        if caller not in self._with_caller:
            if len(self._with_caller) >= MOST_CALLERS:
                self._with_caller.clear()
            known = self._services.get(caller)
            one = member(known) if known else self._stranger(caller)
            is_there = known is not None and known.name == self._service.name
            found = self._known if is_there else self._known.with_added_json_str(json.dumps([one]), self._schema)
            self._with_caller[caller] = found
        return self._with_caller[caller]

    def _stranger(self, caller: SpiffeId) -> dict[str, object]:
        """Whoever is not registered is a member of its trust domain and of nothing else."""
        principal = self._principal(caller)
        attributes: dict[str, list[str]] = {"data": []} if principal["type"] == SERVICE else {}
        return {"uid": principal, "attrs": attributes, "parents": [{"type": DOMAIN, "id": str(caller.trust_domain)}]}


def _skipped(request: Request, errors: list[str]) -> Broken:
    return Broken(
        code="policy-skipped",
        what=f"Cedar skipped a policy while deciding {request}: {errors[0]:.200}",
        why="a policy that passed strict validation cannot fail, and a forbid that is skipped allows",
        fix="report this with the policy",
    )

"""Rollouts over HTTP: told by deploy systems with their token, read and looked after at the admin socket.

`deploy_application` has one path for one kind of body, and a page that says which. Its token opens nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import MAXYEAR, datetime, timedelta
from typing import Any, Protocol

from starlette.types import ASGIApp

from trustplane.change.deploy_token import MAX_LIFE, DeployToken
from trustplane.change.rollout import KEPT_FOR, Rollout, Told
from trustplane.fault import Refused
from trustplane.flows.records.keep_rollouts import FreshDeployToken
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.wire import http_rollout_shapes as shapes
from trustplane.wire.http_openapi import document
from trustplane.wire.http_routes import Access, Call, Number, Operation, Raw, application, bearer_of

PATH, PAGE = "/api/rollouts", "/openapi.json"
FORM = "1"  # of what is told; which build answers is told to no stranger
MAX_TOLD_BYTES = 256 * 1024


class RolloutsPort(Protocol):
    async def create_token(self, name: str, life: timedelta, by: str) -> FreshDeployToken:
        """Refused as `deploy-token-exists`, `too-many-deploy-tokens`, `bad-name` or `bad-token-life`."""
        ...

    async def revoke_token(self, name: str, by: str) -> None: ...

    async def tokens(self) -> Sequence[DeployToken]: ...

    async def who(self, token: str) -> str:
        """The deploy system whose token this is. Refused as `bad-deploy-token`."""
        ...

    async def tell(self, rollout: Rollout) -> Told: ...

    async def told(self, since: timedelta, limit: int) -> Sequence[Rollout]: ...


def deploy_application(rollouts: RolloutsPort) -> ASGIApp:
    """For a door over TLS, or on loopback."""
    tell, body = RolloutAnswers(rollouts).tell, shapes.RolloutRequest
    summary = "tell of a rollout; again with the same reference, of its end"
    telling = Operation("POST", PATH, "tell_rollout", summary, Access.DEPLOY, shapes.ToldShape, tell, (), body)

    async def openapi(_: Call) -> Raw:
        return Raw(document("trustplane deploys", FORM, (telling, page)), "application/json")

    page = Operation("GET", PAGE, "openapi", "this page", Access.OPEN, "application/json", openapi)
    return application((telling, page))


def rollout_operations(rollouts: RolloutsPort) -> tuple[Operation, ...]:
    to, here, socket = RolloutAnswers(rollouts), "/v1/deploy-tokens", Access.CHANGE
    most = int(KEPT_FOR.total_seconds())
    asked = (
        Number("seconds", most, 1, most, "that began or ended since so long ago"),
        Number("limit", 100, 1, 1000, "how many at most"),
    )
    listed, fresh, tokens = shapes.RolloutsShape, shapes.FreshDeployTokenShape, shapes.DeployTokensShape
    told, who, making = "as deploy systems told of them, the newest first", "who may tell of rollouts", "make one"
    return (
        Operation("GET", "/v1/rollouts", "rollouts", told, Access.READ, listed, to.told, asked),
        Operation("GET", here, "deploy_tokens", who, socket, tokens, to.tokens),
        Operation("POST", here, "create_deploy_token", making, socket, fresh, to.create, (), shapes.DeployTokenRequest),
        Operation("POST", f"{here}/{{name}}/revoke", "revoke_deploy_token", "take one back", socket, tokens, to.revoke),
    )


class RolloutAnswers:
    def __init__(self, rollouts: RolloutsPort) -> None:
        self._rollouts = rollouts

    async def tell(self, call: Call) -> shapes.ToldShape:
        who = await self._rollouts.who(bearer_of(call.request))  # before a byte of the body is read
        asked = await call.body(shapes.RolloutRequest, MAX_TOLD_BYTES)
        told = await self._rollouts.tell(_rollout(asked, who))
        return shapes.ToldShape(
            **_fields(told.rollout),
            is_new=told.is_new,
            unknown_services=tuple(map(str, told.unknown_services)),
            unknown_nodes=tuple(map(str, told.unknown_nodes)),
        )

    async def told(self, call: Call) -> shapes.RolloutsShape:
        found = await self._rollouts.told(timedelta(seconds=call.number("seconds")), call.number("limit"))
        return shapes.RolloutsShape(rollouts=tuple(shapes.RolloutShape(**_fields(one)) for one in found))

    async def tokens(self, _: Call) -> shapes.DeployTokensShape:
        return shapes.DeployTokensShape(tokens=tuple(map(_token, await self._rollouts.tokens())))

    async def create(self, call: Call) -> shapes.FreshDeployTokenShape:
        asked = await call.body(shapes.DeployTokenRequest)
        life = timedelta(seconds=max(0, min(asked.seconds, 2 * int(MAX_LIFE.total_seconds()))))
        made = await self._rollouts.create_token(asked.name, life, call.operator())
        token = made.token
        return shapes.FreshDeployTokenShape(
            name=token.name,
            created_by=token.created_by,
            created_at=token.created_at,
            expires_at=token.expires_at,
            token=made.text,
        )

    async def revoke(self, call: Call) -> shapes.DeployTokensShape:
        await self._rollouts.revoke_token(call.path("name"), call.operator())
        return await self.tokens(call)


def _rollout(asked: shapes.RolloutRequest, told_by: str) -> Rollout:
    if not all(one is None or _can_be_meant(one) for one in (asked.started, asked.ended)):
        raise Refused(
            code="bad-rollout",
            what="the rollout is not taken: an instant has no zone, or is none of this calendar",
            why="without one it could be meant in any zone of the world",
            fix="write instants as 2026-11-27T10:00:00Z",
        )
    return Rollout(
        told_by,
        asked.reference,
        asked.version,
        frozenset(map(ServiceName.parse, asked.services)),
        frozenset(map(NodeName, asked.nodes)),
        asked.started,
        asked.ended,
    )


def _can_be_meant(at: datetime) -> bool:
    return at.tzinfo is not None and 1 < at.year < MAXYEAR


def _fields(one: Rollout) -> dict[str, Any]:
    return {
        "told_by": one.told_by,
        "reference": one.reference,
        "version": one.version,
        "services": tuple(sorted(map(str, one.services))),
        "nodes": tuple(sorted(map(str, one.nodes))),
        "started": one.started,
        "ended": one.ended,
    }


def _token(one: DeployToken) -> shapes.DeployTokenShape:
    return shapes.DeployTokenShape(
        name=one.name, created_by=one.created_by, created_at=one.created_at, expires_at=one.expires_at
    )

"""Who may read over HTTPS: identities that desired state lists under `readers`, by JWT-SVID.

A token proves who is asking and nothing more: it must be meant for this API by its audience, and it never opens an
operation that changes something.
"""

from __future__ import annotations

from starlette.requests import Request

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.jwt_svid import verify_jwt
from trustplane.spiffe.verify import BundleSet
from trustplane.wire.http_door import ServerDoor
from trustplane.wire.http_routes import bearer_of

AUDIENCE = "trustplane-api"
MAX_TOKEN_CHARACTERS = 16 * 1024


class ReadersGate:
    def __init__(self, door: ServerDoor, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    async def __call__(self, request: Request) -> None:
        token = _bearer(request)
        bundle: Bundle = await self._door.bundle()
        bundles = BundleSet({bundle.trust_domain: bundle})
        try:
            reader = verify_jwt(token, AUDIENCE, bundles, self._clock.now()).spiffe_id
        except Refused as refusal:
            raise _unauthenticated("the bearer token does not verify", refusal.finding.what) from refusal
        await self._require_listed(reader)

    async def _require_listed(self, reader: SpiffeId) -> None:
        current = await self._door.current()
        if current is None or reader not in current[1].readers:
            raise Refused(
                code="not-a-reader",
                what=f"{reader} may not read this API",
                why="the trust repository does not list it under readers",
                fix=f"add {reader} to readers in trustdomain.yaml and apply it",
            )


def _bearer(request: Request) -> str:
    token = bearer_of(request)
    if not token:
        raise _unauthenticated("the request carries no bearer token", "this path is for listed readers")
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _unauthenticated("the bearer token is too long", f"at most {MAX_TOKEN_CHARACTERS} characters are read")
    return token


def _unauthenticated(what: str, why: str) -> Refused:
    return Refused(
        code="no-bearer-token",
        what=what,
        why=why,
        fix=f"send Authorization: Bearer <JWT-SVID with audience {AUDIENCE}>, or use the admin socket on the server",
    )

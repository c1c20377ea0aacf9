"""The two addresses by which people sign in at a provider: where they are sent there, and where they come back.

What ties the two together is a cookie that this browser alone has, for ten minutes. It is `Lax`, because the way back
is from another site; the session is not, so the page that follows is asked for by our own page.
"""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trustplane.console.guard import (
    OIDC_COOKIE,
    SESSION_COOKIE,
    cookie,
    set_cookie,
    set_lax_cookie,
)
from trustplane.console.pages import Page
from trustplane.console.writing import Writer
from trustplane.flows.people.sign_in_oidc import SignInOidc
from trustplane.people.oidc import Attempt
from trustplane.spiffe import base64url

MAX_NEXT = 48  # characters that are remembered; whoever wanted more begins at the overview
MAX_PARAMETERS = 20
_SECRET_CHARACTERS = 43


async def send_there(oidc: SignInOidc, wanted: str) -> Response:
    secret = secrets.token_urlsafe(32)
    answer = RedirectResponse(await oidc.begin(Attempt(secret)), 303)
    kept = base64url.encode(wanted.encode()) if len(wanted) <= MAX_NEXT else ""
    answer.headers.append("Set-Cookie", set_lax_cookie(OIDC_COOKIE, f"{secret}.{kept}"))
    return answer


async def come_back(request: Request, oidc: SignInOidc, writer: Writer, wanted: str) -> Response:
    """The cookie is dropped by the caller, whatever comes of it: an answer is taken once."""
    secret, _, _ = cookie(request, OIDC_COOKIE).partition(".")
    attempt = Attempt(secret) if len(secret) == _SECRET_CHARACTERS else None
    given = request.query_params.multi_items()[:MAX_PARAMETERS]
    # Said twice it means whatever the other reader took; neither is taken.
    said = {name: value for name, value in given if len(request.query_params.getlist(name)) == 1}
    address = request.client.host if request.client else "unknown"
    fresh = await oidc.finish(said, attempt, address)
    page = Page("signed_in.html", "Signed in", {"onward": wanted})
    answer = await writer.html(request, page, {})
    answer.headers.append("Set-Cookie", set_cookie(SESSION_COOKIE, fresh.token))
    return answer


def wanted_of(request: Request) -> str:
    """As it was when this began. Looked at again by the caller: a cookie is only what a browser says."""
    _, _, kept = cookie(request, OIDC_COOKIE).partition(".")
    try:
        return base64url.decode(kept).decode() or "/"
    except ValueError:
        return "/"

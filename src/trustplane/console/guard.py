"""What keeps a browser, and whoever else it has open, from doing more with the console than its reader wants.

Every answer carries the headers. A form is taken only from our own page: by the token it carries, by its Origin and by
Sec-Fetch-Site, each of which alone would do. The session is a `__Host-` cookie: for this host, over TLS (or loopback,
which browsers treat as such), never sent along from another site, and not to be read by a script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trustplane.fault import Refused
from trustplane.people.session import is_form_token

SESSION_COOKIE = "__Host-trustplane"
FORM_COOKIE = "__Host-trustplane-form"  # before there is a session
OIDC_COOKIE = "__Host-trustplane-oidc"  # while someone is at their provider
COOKIE_RULES = "Path=/; Secure; HttpOnly; SameSite=Strict"
LAX_RULES = "Path=/; Secure; HttpOnly; SameSite=Lax"
LAX_SECONDS = 600
# A path of ours with a plain query; `//` and `/\\` begin another site's address.
_OURS = re.compile(r"/(?![/\\])[A-Za-z0-9._~/-]*(\?[A-Za-z0-9._~=&%+-]*)?")
MAX_FORM_BYTES = 8 * 1024
MAX_COOKIE_CHARACTERS = 128

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # `no-referrer` would have browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the console is. `hosts` are the names it goes by; empty: any, because a certificate proves the name."""

    is_tls: bool
    hosts: frozenset[str] = frozenset()


class Guarded:
    """Adds the headers, and turns away requests under a name that is not ours (DNS rebinding)."""

    def __init__(self, app: ASGIApp, place: Place, refuse: ASGIApp) -> None:
        self._app = app
        self._place = place
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._place.is_tls:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        if scope["type"] != "http":
            return
        app = self._app if self._is_ours(Request(scope)) else self._refuse
        await app(scope, receive, with_headers)

    def _is_ours(self, request: Request) -> bool:
        given = request.headers.getlist("host")
        if len(given) != 1:
            return False
        return not self._place.hosts or _hostname(f"//{given[0]}") in self._place.hosts


def cookie(request: Request, name: str) -> str:
    """Empty when there is none, or one that is no token of ours."""
    found = request.cookies.get(name, "")
    return found if len(found) <= MAX_COOKIE_CHARACTERS and found.isascii() else ""


def set_cookie(name: str, token: str) -> str:
    """It ends with the browser; the session behind it ends by itself."""
    return f"{name}={token}; {COOKIE_RULES}"


def set_lax_cookie(name: str, value: str) -> str:
    """For who comes back from elsewhere in a moment. It proves nothing by itself."""
    return f"{name}={value}; {LAX_RULES}; Max-Age={LAX_SECONDS}"


def drop_cookie(name: str) -> str:
    return f"{name}=; {COOKIE_RULES}; Max-Age=0"


def own_path(given: str) -> str:
    """Where to go after signing in: a page of ours, or the first one."""
    return given if _OURS.fullmatch(given) and len(given) <= 1000 else "/"


async def form(request: Request, secret: str) -> dict[str, str]:
    """The fields of one of our own forms, sent by our own page. `secret` is the cookie its token was made from."""
    _require_same_origin(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise _foreign("it is not encoded as our forms are")
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_FORM_BYTES:
            raise Refused(
                code="form-too-large",
                what="the form is larger than any of ours",
                why=f"at most {MAX_FORM_BYTES} bytes are read",
                fix="go back and enter less",
            )
    try:
        read = parse_qs(received.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=10)
    except ValueError as error:
        raise _foreign("it cannot be read") from error
    if any(len(values) != 1 for values in read.values()):
        raise _foreign("a field is given twice")
    fields = {name: values[0] for name, values in read.items()}
    if not secret or not is_form_token(fields.get("form_token", ""), secret):
        raise _foreign("its token is not of this session")
    return fields


def _require_same_origin(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise _foreign(f"it comes from another site ({site:.20})")
    origin = request.headers.get("origin")
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if origin is not None and origin != ours:
        raise _foreign("its origin is another one")
    if origin is None and site is None:
        raise _foreign("it does not say where it comes from")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _foreign(why: str) -> Refused:
    return Refused(
        code="foreign-form",
        what="this form was not sent by a page of the console",
        why=why,
        fix="go back, reload the page, and send it again",
    )

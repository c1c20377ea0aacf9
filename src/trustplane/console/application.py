"""The console as an ASGI application: a table of pages, and the forms by which people come, act and go."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from trustplane.clock import Clock
from trustplane.console.approvals import ApprovalPages
from trustplane.console.faults import nothing_there, status_of, told, too_slow, waiting
from trustplane.console.guard import (
    FORM_COOKIE,
    OIDC_COOKIE,
    SESSION_COOKIE,
    Guarded,
    Place,
    cookie,
    drop_cookie,
    form,
    own_path,
    set_cookie,
)
from trustplane.console.live import Live
from trustplane.console.oidc import come_back, send_there, wanted_of
from trustplane.console.pages import Asked, Page, Pages, Saved
from trustplane.console.port import Facts
from trustplane.console.writing import Writer
from trustplane.fault import Fault, Finding, Refused, Unavailable
from trustplane.flows.people.sign_in import SignIn
from trustplane.flows.people.sign_in_oidc import SignInOidc
from trustplane.people.oidc import CALLBACK
from trustplane.people.session import SignedIn, form_token

ANSWER_WITHIN_SECONDS = 30.0
REFRESH_HEADER = "console-refresh"
NOT_OURS = "The console does not go by this name. Use the address that the server was told to listen on.\n"
_STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}

Make = Callable[[Asked], Awaitable[Page | Saved]]
Does = Callable[[Mapping[str, str], SignedIn, datetime], Awaitable[str]]
_SAVED = {
    "csv": ("attachment", "text/csv"),
    "svg": ("inline", "image/svg+xml"),
    "txt": ("attachment", "text/plain"),
}


@dataclass(frozen=True, slots=True)
class Behind:
    """What the application is made of."""

    pages: Pages
    sign_in: SignIn
    live: Live
    facts: Callable[[], Awaitable[Facts]]
    clock: Clock
    place: Place
    approvals: ApprovalPages
    oidc: SignInOidc | None = None


def console_application(behind: Behind) -> ASGIApp:
    console = _Console(behind)
    app = Starlette(routes=console.routes(), exception_handlers={404: console.nothing, 405: console.nothing})
    app.router.redirect_slashes = False
    return Guarded(app, behind.place, PlainTextResponse(NOT_OURS, 421))


class _Console:
    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._writer = Writer(behind.facts, behind.clock)

    def routes(self) -> list[Route]:
        pages = self._behind.pages
        shown: tuple[tuple[str, Make, bool], ...] = (
            ("/", pages.overview, True),
            ("/trust", pages.trust, True),
            ("/services", pages.services, True),
            ("/services/{namespace}/{name}", pages.service, True),
            ("/certificates/{serial}", pages.certificate, False),
            ("/nodes", pages.nodes, True),
            ("/failures", pages.failures, True),
            ("/runbooks", pages.runbooks, False),
            ("/runbooks/{slug}", pages.runbook, False),
            ("/postmortems", pages.postmortems, False),
            ("/postmortems/{slug}", pages.postmortem, False),
            ("/audit", pages.audit, False),
            ("/audit/verify", pages.verify, False),
            ("/audit/checkpoint", pages.checkpoint, False),
            ("/dry-run", pages.dry_run, True),
            ("/acts/{name}", pages.act, False),
            ("/search", pages.search, False),
            ("/pictures/expiry.svg", pages.expiry, False),
            ("/pictures/expiry.csv", pages.expiry_figures, False),
            ("/pictures/failures.svg", pages.trend, False),
            ("/pictures/failures.csv", pages.trend_figures, False),
            ("/pictures/calls/{namespace}/{name}.svg", pages.calls, False),
            ("/pictures/calls/{namespace}/{name}.csv", pages.calls_figures, False),
        )
        return [
            *(self._shown(*one) for one in shown),
            *self._acting(),
            Route("/audit/verify", self._answering(self._verify), methods=["POST"]),
            Route("/live", self._answering(self._stream), methods=["GET"]),
            Route("/sign-in", self._answering(self._ask_to_sign_in), methods=["GET"]),
            Route("/sign-in", self._answering(self._sign_in), methods=["POST"]),
            *self._of_a_provider(),
            Route("/sign-out", self._answering(self._sign_out), methods=["POST"]),
            Route("/static/{name}", _static, methods=["GET"]),
        ]

    def _shown(self, path: str, make: Make, is_live: bool) -> Route:  # noqa: FBT001 - a table's column
        return Route(path, self._page(make, is_live=is_live), methods=["GET"])

    def _acting(self) -> list[Route]:
        approvals = self._behind.approvals
        return [
            self._shown("/proposals", approvals.every, True),
            self._shown("/proposals/{number}", approvals.one, True),
            self._shown("/propose/{kind}", approvals.ask, False),
            Route("/acts/{name}", self._answering(self._act), methods=["POST"]),
            Route("/propose/{kind}", self._answering(self._propose), methods=["POST"]),
            Route("/proposals/{number}", self._answering(self._decide), methods=["POST"]),
        ]

    def _of_a_provider(self) -> list[Route]:
        oidc = self._behind.oidc
        if oidc is None:
            return []

        async def begin(request: Request) -> Response:
            wanted = own_path(request.query_params.get("next", ""))
            try:
                return await send_there(oidc, wanted)
            except (Refused, Unavailable) as fault:
                return await self._not_signed_in(request, wanted, fault)

        async def finish(request: Request) -> Response:
            wanted = own_path(wanted_of(request))
            try:
                answer = await come_back(request, oidc, self._writer, wanted)
            except (Refused, Unavailable) as fault:
                answer = await self._not_signed_in(request, wanted, fault)
            answer.headers.append("Set-Cookie", drop_cookie(OIDC_COOKIE))  # an answer is taken once
            return answer

        return [
            Route("/sign-in/oidc", self._answering(begin), methods=["GET"]),
            Route(CALLBACK, self._answering(finish), methods=["GET"]),
        ]

    def _page(self, make: Make, *, is_live: bool) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                who = await self._who(request)
            except Refused:
                wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303)
            version = self._behind.live.version  # before it is read: what changes meanwhile is told of
            try:
                made = await make(Asked(request, who, self._behind.clock.now()))
            except Fault as fault:
                return await self._fault(request, fault, who)
            if isinstance(made, Saved):
                shown, media_type = _SAVED[made.kind]
                name = {"Content-Disposition": f'{shown}; filename="{made.name}.{made.kind}"'}
                return Response(made.content, headers=name, media_type=media_type)
            live = {"live": f"/live?seen={version}"} if is_live else {}
            return await self._writer.html(request, made, {**live, "who": who})

        return self._answering(answer)

    def _answering(self, run: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                    return await run(request)
            except TimeoutError:
                return await self._fault(request, too_slow(ANSWER_WITHIN_SECONDS))
            except Exception as fault:  # noqa: BLE001 - the request's edge: every failure becomes its answer
                return await self._fault(request, fault)

        return answer

    async def _who(self, request: Request) -> SignedIn:
        """A page that refreshes itself does not keep its reader signed in."""
        is_used = REFRESH_HEADER not in request.headers
        return await self._behind.sign_in.who(cookie(request, SESSION_COOKIE), is_used=is_used)

    async def _ask_to_sign_in(self, request: Request) -> Response:
        return await self._sign_in_page(request, own_path(request.query_params.get("next", "")))

    async def _sign_in_page(
        self, request: Request, wanted: str, fault: Finding | None = None, status: int = 200
    ) -> Response:
        secret = cookie(request, FORM_COOKIE) or secrets.token_urlsafe(32)
        oidc = self._behind.oidc
        values = {
            "form_token": form_token(secret),
            "next": wanted,
            "fault": fault,
            "oidc": oidc.label if oidc else "",
        }
        answer = await self._writer.html(request, Page("sign_in.html", "Sign in", values), {}, status)
        answer.headers.append("Set-Cookie", set_cookie(FORM_COOKIE, secret))
        return answer

    async def _sign_in(self, request: Request) -> Response:
        fields = await form(request, cookie(request, FORM_COOKIE))
        wanted = own_path(fields.get("next", ""))
        address = request.client.host if request.client else "unknown"
        try:
            fresh = await self._behind.sign_in.sign_in(fields.get("name", ""), fields.get("password", ""), address)
        except (Refused, Unavailable) as fault:
            return await self._not_signed_in(request, wanted, fault)
        await self._behind.sign_in.end(cookie(request, SESSION_COOKIE))
        answer = RedirectResponse(wanted, 303)
        answer.headers.append("Set-Cookie", set_cookie(SESSION_COOKIE, fresh.token))
        answer.headers.append("Set-Cookie", drop_cookie(FORM_COOKIE))
        return answer

    async def _not_signed_in(self, request: Request, wanted: str, fault: Refused | Unavailable) -> Response:
        answer = await self._sign_in_page(request, wanted, fault.finding, status_of(fault))
        answer.headers.update(waiting(fault))
        return answer

    async def _sign_out(self, request: Request) -> Response:
        token = cookie(request, SESSION_COOKIE)
        await form(request, token)
        with contextlib.suppress(Refused):  # it has ended already, which is what was asked for
            await self._behind.sign_in.sign_out(await self._who(request))
        answer = RedirectResponse("/sign-in", 303)
        answer.headers.append("Set-Cookie", drop_cookie(SESSION_COOKIE))
        # Nothing of what was shown stays where the next user of this browser finds it.
        answer.headers["Clear-Site-Data"] = '"cache", "storage"'
        return answer

    async def _act(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        return await self._done(request, lambda fields, who, _: self._behind.pages.acted(name, fields, who))

    async def _propose(self, request: Request) -> Response:
        kind = str(request.path_params["kind"])
        return await self._done(request, partial(self._behind.approvals.proposed, kind))

    async def _decide(self, request: Request) -> Response:
        number = str(request.path_params["number"])
        return await self._done(request, partial(self._behind.approvals.decided, number))

    async def _done(self, request: Request, do: Does) -> Response:
        """One of our forms, by someone who is signed in; then the page that `do` names."""
        who = await self._who(request)
        try:
            fields = await form(request, cookie(request, SESSION_COOKIE))
            after = await do(fields, who, self._behind.clock.now())
        except Fault as fault:
            return await self._fault(request, fault, who)
        return RedirectResponse(after, 303)

    async def _verify(self, request: Request) -> Response:
        who = await self._who(request)
        try:
            fields = await form(request, cookie(request, SESSION_COOKIE))
            asked = Asked(request, who, self._behind.clock.now())
            page = await self._behind.pages.verified(asked, fields.get("kept", ""))
        except Fault as fault:
            return await self._fault(request, fault, who)
        return await self._writer.html(request, page, {"who": who})

    async def _stream(self, request: Request) -> Response:
        who = await self._behind.sign_in.who(cookie(request, SESSION_COOKIE), is_used=False)
        seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
        events = await self._behind.live.stream(who, seen[:64])
        return StreamingResponse(events, media_type="text/event-stream")

    async def _fault(self, request: Request, fault: Exception, who: SignedIn | None = None) -> Response:
        finding, status = told(fault), status_of(fault)
        page = Page("fault.html", "Not possible", {"fault": finding})
        answer = await self._writer.html(request, page, {"who": who} if who else {}, status)
        answer.headers.update(waiting(fault))
        return answer

    async def nothing(self, request: Request, _: Exception) -> Response:
        return await self._fault(request, nothing_there())


async def _static(request: Request) -> Response:
    name = str(request.path_params["name"])
    if name not in _STATIC:
        return Response(status_code=404)
    content = await asyncio.to_thread(files("trustplane.console").joinpath("static", name).read_bytes)
    return Response(content, headers={"Cache-Control": "no-cache"}, media_type=_STATIC[name])

"""Pages as HTML. Whatever a template prints is made neutral, cut and escaped; nothing opts out but our drawings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from trustplane.clock import Clock
from trustplane.console import text
from trustplane.console.guard import SESSION_COOKIE, cookie
from trustplane.console.pages import Page
from trustplane.console.port import Facts
from trustplane.people.session import form_token

_PAGES = (
    ("/", "Overview"),
    ("/trust", "Trust"),
    ("/services", "Services"),
    ("/nodes", "Nodes"),
    ("/failures", "Failures"),
    ("/proposals", "Approvals"),
    ("/runbooks", "Runbooks"),
    ("/audit", "Audit"),
)


class Writer:
    def __init__(self, facts: Callable[[], Awaitable[Facts]], clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._templates = Environment(
            loader=PackageLoader("trustplane.console"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=text.shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "count": text.count,
            "instant": text.instant,
            "machine": text.machine_instant,
            "relative": text.relative,
            "sentence": text.sentence,
            "serial": text.serial_text,
            "span": text.span,
        }

    async def html(
        self, request: Request, page: Page, further: Mapping[str, object], status: int = 200
    ) -> HTMLResponse:
        facts, who = await self._facts(), further.get("who")
        values = {
            "trust_domain": str(facts.trust_domain),
            "instance": str(facts.instance) if who else "",  # who is not signed in learns as little as can be
            "now": self._clock.now() if who else None,
            "pages": _PAGES,
            "here": f"/{request.url.path.split('/')[1]}",
            "live": "",
            "onward": "",
            "query": "",
            "who": None,
            "form_token": form_token(cookie(request, SESSION_COOKIE)) if who else "",
            "title": page.title,
            **page.values,
            **further,
        }
        # Rendering a large page takes a while; requests are answered meanwhile.
        body = await asyncio.to_thread(self._templates.get_template(page.template).render, values)
        return HTMLResponse(body, status)

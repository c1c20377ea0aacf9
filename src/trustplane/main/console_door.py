"""Where people see the fleet: the console, on a door of its own.

With a certificate it is served over TLS under any name that proves. Without one it is served in the clear on loopback,
which browsers treat as secure, and answers to loopback's names alone.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from trustplane.clock import Clock
from trustplane.console.application import Behind, console_application
from trustplane.console.approvals import ApprovalPages
from trustplane.console.guard import Place
from trustplane.console.live import Live
from trustplane.console.pages import Pages
from trustplane.flows.people.sign_in import SignIn
from trustplane.flows.people.sign_in_oidc import SignInOidc
from trustplane.host.certificate_files import CertificateFiles
from trustplane.main.http_doors import in_background, serve_http
from trustplane.main.known import came_along
from trustplane.main.oidc_file import read_oidc_file
from trustplane.main.server_door import Door
from trustplane.main.settings import ConsoleSettings, HostPort
from trustplane.store.store import Store
from trustplane.wire.http_rollouts import PAGE, PATH, deploy_application
from trustplane.wire.http_serve import HttpServer, tcp_listener
from trustplane.wire.oidc_provider import OidcProvider, web_context

_log = structlog.get_logger("console")


async def open_console(
    settings: ConsoleSettings,
    door: Door,
    store: Store,
    clock: Clock,
    around: tuple[asyncio.TaskGroup, AsyncExitStack],
) -> None:
    """Where it was asked for."""
    if settings.listen is None:
        return
    tasks, doors = around
    files = None
    if settings.certificate is not None and settings.key is not None:
        files = CertificateFiles(settings.certificate, settings.key, clock)
        in_background(files.run(), tasks, doors)
    sign_in = door.proving()  # one for both doors: who guesses is counted once
    live = Live(sign_in.is_alive, clock)
    pages = Pages(door, came_along(), clock)
    approvals = ApprovalPages(door, pages.forget)
    oidc = await _oidc(settings.oidc, sign_in, store, clock) if settings.oidc else None
    place = Place(files is not None, frozenset() if files else _names(settings.listen))
    shown = console_application(Behind(pages, sign_in, live, door.facts, clock, place, approvals, oidc))
    application = beside(shown, (PATH, PAGE), deploy_application(door.rollouts()))
    listener = tcp_listener(settings.listen.host, settings.listen.port)
    port = listener.getsockname()[1]
    await serve_http(HttpServer(application, listener, files.context if files else None), tasks, doors)
    in_background(live.run(store.changes()), tasks, doors)
    doors.callback(live.close)  # first: a server that stops waits for open streams otherwise
    _log.info("console", address=f"{'https' if files else 'http'}://{settings.listen.host}:{port}/")


def beside(app: ASGIApp, paths: tuple[str, ...], other: ASGIApp) -> ASGIApp:
    """`other` at those paths: what a machine brings a token to has no business with cookies and forms."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = other if scope["type"] == "http" and scope["path"] in paths else app
        await chosen(scope, receive, send)

    return choose


async def _oidc(path: Path, sign_in: SignIn, store: Store, clock: Clock) -> SignInOidc:
    """Whoever is away while the server starts may be back when someone signs in, so it is not asked yet."""
    settings, authorities = await asyncio.to_thread(read_oidc_file, path)
    provider = OidcProvider(settings, web_context(authorities), clock)
    return SignInOidc(settings, provider, store, sign_in, clock)


def _names(listen: HostPort) -> frozenset[str]:
    return frozenset({listen.host.strip("[]"), "localhost", "127.0.0.1", "::1"})

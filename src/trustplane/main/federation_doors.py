"""Where other trust domains fetch our bundle."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from trustplane.flows.feed import Feed
from trustplane.host.certificate_files import CertificateFiles
from trustplane.host.clock import SystemClock
from trustplane.host.tls_context import federation_context, present
from trustplane.main.http_doors import in_background, present_each, serve_http
from trustplane.main.settings import FederationSettings
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.http_door import FederationPort
from trustplane.wire.http_federation import endpoint_application
from trustplane.wire.http_serve import HttpServer, tcp_listener


async def open_federation_doors(
    settings: FederationSettings,
    door: FederationPort,
    identity: Feed[KeyedSvid | None],
    tasks: asyncio.TaskGroup,
    doors: AsyncExitStack,
) -> None:
    """The bundle endpoint in the profiles that are asked for; the same document in each."""
    application = endpoint_application(door)
    keyed = identity.value
    if settings.listen_spiffe is not None and keyed is not None:
        context = federation_context()
        present(context, keyed)
        listener = tcp_listener(settings.listen_spiffe.host, settings.listen_spiffe.port)
        await serve_http(HttpServer(application, listener, context), tasks, doors)
        in_background(present_each(context, identity), tasks, doors)
    if settings.listen_web is not None and settings.web_certificate is not None and settings.web_key is not None:
        files = CertificateFiles(settings.web_certificate, settings.web_key, SystemClock())
        listener = tcp_listener(settings.listen_web.host, settings.listen_web.port)
        await serve_http(HttpServer(application, listener, files.context), tasks, doors)
        in_background(files.run(), tasks, doors)

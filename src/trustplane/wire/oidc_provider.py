"""Asking an OpenID provider: what it says of itself, its keys, and the ID token for a code.

Whatever answers is bounded: no redirects, so many bytes, so many seconds, JSON alone. What it says of itself is
believed only when it names itself as the issuer that was configured, and sends nobody to where others could listen.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import httpx

from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.flows.people.sign_in_oidc import Discovered
from trustplane.people.id_token import SigningKey, signing_keys
from trustplane.people.oidc import OidcSettings, is_safe_url
from trustplane.spiffe.strict_json import parse_object

WITHIN_SECONDS = 10.0
MAX_ANSWER = 256 * 1024
KEPT = timedelta(hours=1)
ASKED_AGAIN = timedelta(seconds=30)  # for keys: whoever shows made-up names must not keep us asking
AT_ONCE = 4
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


def web_context(authorities: Path | None) -> ssl.SSLContext:
    """By whom the provider is vouched for: the CAs in this file, or this machine's."""
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise Refused(
            code="oidc-authorities-unreadable",
            what=f"{authorities} holds no authorities that the provider could be verified by",
            why=error.strerror or str(error),
            fix="name a file of certificates in PEM as authorities_file, or leave it out to use this machine's",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class OidcProvider:
    """Satisfies `flows.people.sign_in_oidc.Provider`."""

    def __init__(self, settings: OidcSettings, verifying: ssl.SSLContext, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._verifying = verifying
        self._discovered: tuple[datetime, Discovered] | None = None
        self._keys: tuple[datetime, tuple[SigningKey, ...]] | None = None

    async def discovered(self) -> Discovered:
        at = self._clock.now()
        if self._discovered is None or at - self._discovered[0] >= KEPT:
            url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            self._discovered = at, _discovered(await self._ask("GET", url), self._settings.issuer)
        return self._discovered[1]

    async def keys(self, kid: str | None) -> Sequence[SigningKey]:
        at, known = self._clock.now(), self._keys
        is_missing = known is not None and kid is not None and all(one.kid != kid for one in known[1])
        if known is None or at - known[0] >= (ASKED_AGAIN if is_missing else KEPT):
            known = self._keys = at, signing_keys(await self._ask("GET", (await self.discovered()).jwks_uri))
        return known[1]

    async def exchange(self, code: str, verifier: str) -> str:
        """RFC 6749 §4.1.3 with RFC 7636 §4.5."""
        settings = self._settings
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        if settings.client_secret:  # RFC 6749 §2.3.1: both encoded as a form's values
            auth = httpx.BasicAuth(quote_plus(settings.client_id), quote_plus(settings.client_secret))
        else:
            given["client_id"] = settings.client_id
        answer = await self._ask("POST", (await self.discovered()).token_endpoint, given, auth)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _unusable("the provider answered without an ID token", "it is what says who signed in")
        return token

    def _client(self) -> httpx.AsyncClient:
        """Of one question: there are few, and a connection kept open would be one more thing to go stale."""
        return httpx.AsyncClient(verify=self._verifying, trust_env=False, timeout=WITHIN_SECONDS)

    async def _ask(
        self, method: str, url: str, given: Mapping[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> dict[str, object]:
        try:
            async with (
                self._turns,
                asyncio.timeout(WITHIN_SECONDS),
                self._client() as client,
                client.stream(method, url, data=given, headers=_HEADERS, auth=auth) as answer,
            ):
                body = await _bounded(answer)
        except (httpx.HTTPError, TimeoutError, ssl.SSLError) as error:
            raise _unreachable(url, str(error) or type(error).__name__) from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _unreachable(url, f"it answered {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            raise _unusable(f"the provider answered {answer.status_code} at {url:.200}", _said(body))
        return parse_object(body, "what the provider answered", MAX_ANSWER)


async def _bounded(answer: httpx.Response) -> bytes:
    received = bytearray()
    async for chunk in answer.aiter_raw():  # not unpacked: a small answer could become a huge one
        received += chunk
        if len(received) > MAX_ANSWER:
            raise _unusable("the provider's answer is huge", f"at most {MAX_ANSWER} bytes are read")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise _unusable("the provider's answer is packed", "it was not asked to be")
    return bytes(received)


def _discovered(document: Mapping[str, object], issuer: str) -> Discovered:
    if document.get("issuer") != issuer:
        raise _unusable(
            f"what is at {issuer} calls itself {document.get('issuer')!r:.200}",
            "an issuer is believed under its own name alone (OpenID Connect Discovery §4.3)",
        )
    urls = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    found = [one for one in urls if isinstance(one, str) and len(one) <= 2000 and is_safe_url(one)]
    if len(found) != len(urls):
        raise _unusable("the provider names no safe address for each step", f"they are {urls!r:.300}")
    named = document.get("authorization_response_iss_parameter_supported") is True
    return Discovered(found[0], found[1], found[2], named)


def _said(body: bytes) -> str:
    """The error code of RFC 6749 §5.2, and nothing else of what it wrote."""
    try:
        error = parse_object(body, "its answer", MAX_ANSWER).get("error")
    except Refused:
        error = None
    return f"it says {error!r:.100}" if error else "it does not say why"


def _unusable(what: str, why: str) -> Refused:
    return Refused(
        code="oidc-provider-answer",
        what=what,
        why=why,
        fix="begin again; if it stays, compare the file of --console-oidc with the provider's own settings",
    )


def _unreachable(url: str, why: str) -> Unavailable:
    return Unavailable(
        code="oidc-provider-away",
        what=f"the provider did not answer at {url:.200}",
        why=f"{why:.200}",
        fix="try again, or sign in with a local account",
        retry_after=timedelta(seconds=5),
    )

"""Signing in at an OpenID provider: authorization code with PKCE, from being sent there to a session here.

The provider says who someone is and which groups they are in; which role that is, our settings say. Accounts that come
this way are kept, so that they are seen and can be cut off, and belong to one subject of one issuer for good: a name
that the provider gives to somebody else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

from trustplane.audit import people_events as events
from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.people.sign_in import FreshSession, SignIn
from trustplane.people import id_token
from trustplane.people.account import Account, AccountName
from trustplane.people.attempts import Attempts
from trustplane.people.id_token import Expected, SigningKey
from trustplane.people.oidc import Attempt, OidcSettings, Person, person

MAX_CODE = 2048
_AGAIN = "begin again from the page for signing in"


@dataclass(frozen=True, slots=True)
class Discovered:
    """What the provider says of itself (OpenID Connect Discovery §3). `names_itself`: with each answer (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool


class Provider(Protocol):
    """Unavailable when it cannot be asked; Refused when its answers are not to be had or used."""

    async def discovered(self) -> Discovered: ...

    async def keys(self, kid: str | None) -> Sequence[SigningKey]:
        """Asked for anew, now and then, when none of those known has this name."""
        ...

    async def exchange(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        ...


class Records(Protocol):
    async def account(self, name: AccountName) -> Account | None: ...

    async def add_account(self, account: Account) -> None: ...

    async def change_account(self, account: Account) -> None: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class SignInOidc:
    def __init__(
        self, settings: OidcSettings, provider: Provider, records: Records, sign_in: SignIn, clock: Clock
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._records = records
        self._sign_in = sign_in
        self._clock = clock
        self._attempts = Attempts()

    @property
    def label(self) -> str:
        return self._settings.label

    async def begin(self, attempt: Attempt) -> str:
        """Where to send the browser."""
        endpoint = (await self._provider.discovered()).authorization_endpoint
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def finish(self, answer: Mapping[str, str], attempt: Attempt | None, address: str) -> FreshSession:
        """`answer` is what the browser brought back. What fails counts against its address."""
        self._attempts.require_patience(address, address, self._clock.now())
        try:
            found = await self._person(answer, attempt)
            account = await self._account(found)
        except Refused:
            await self._failed(address)
            raise
        return await self._sign_in.open(account, address)

    async def _person(self, answer: Mapping[str, str], attempt: Attempt | None) -> Person:
        if attempt is None or not attempt.is_state(answer.get("state", "")):
            raise Refused(
                code="oidc-state",
                what="this is no answer to a sign-in that this browser began",
                why="its `state` is not the one sent, or it was used already, or it took longer than ten minutes",
                fix=_AGAIN,
            )
        discovered = await self._provider.discovered()
        self._check_issuer(answer, discovered)
        if "error" in answer:
            raise Refused(
                code="oidc-declined",
                what="the provider did not sign you in",
                why=f"it says {answer['error']!r:.100}",
                fix=_AGAIN,
            )
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE:
            raise Refused(
                code="oidc-state",
                what="the provider's answer has no code",
                why="it is what is exchanged for who you are",
                fix=_AGAIN,
            )
        token = await self._provider.exchange(code, attempt.verifier)
        keys = await self._provider.keys(id_token.key_id(token))
        expected = Expected(self._settings.issuer, self._settings.client_id, attempt.nonce)
        return person(id_token.verified(token, keys, expected, self._clock.now()), self._settings)

    def _check_issuer(self, answer: Mapping[str, str], discovered: Discovered) -> None:
        """RFC 9207: an answer of one provider is not taken to another."""
        said = answer.get("iss")
        if said != self._settings.issuer and (said is not None or discovered.names_itself):
            raise Refused(
                code="oidc-other-issuer",
                what=f"the answer is of {said!r:.200}",
                why=f"this console sent you to {self._settings.issuer}, which names itself",
                fix=_AGAIN,
            )

    async def _account(self, found: Person) -> Account:
        known, at = await self._records.account(found.name), self._clock.now()
        if known is None:
            new = Account(found.name, found.role, None, f"oidc:{self._settings.issuer}", at, at, found.subject)
            await self._write("add", new, at)
            try:
                await self._records.add_account(new)
            except Refused as refused:  # the same person, at the same moment, in another window
                if refused.code != "account-exists" or (known := await self._records.account(found.name)) is None:
                    raise
            else:
                return new
        if known.subject != found.subject:
            raise Refused(
                code="oidc-name-taken",
                what=f"the name {found.name} belongs to somebody else",
                why="the provider has given it to another of its subjects since, or it is another provider",
                fix=f"if the first one is gone, on the server: trustplane console account remove {found.name}",
            )
        if known.role is not found.role:
            known = replace(known, role=found.role, changed_at=at)
            await self._write("role", known, at)
            await self._records.change_account(known)
        return known

    async def _write(self, step: str, account: Account, at: datetime) -> None:
        by = f"oidc:{self._settings.issuer}"
        await self._records.append_audit([events.account(step, account.name.name, account.role.value, by, at)], at)

    async def _failed(self, address: str) -> None:
        at = self._clock.now()
        unwritten = self._attempts.failed(address, address, at)
        if unwritten is not None:
            await self._records.append_audit([events.sign_in_failed(None, address, unwritten, at)], at)

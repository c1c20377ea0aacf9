"""The console in memory: a browser that keeps cookies, in front of a server's doors and accounts of a test."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.people import MemoryPeople
from tests.kit.repository import repository
from tests.kit.server_door import NOON, MemoryDoor
from trustplane.console.application import Behind, console_application
from trustplane.console.approvals import ApprovalPages
from trustplane.console.guard import FORM_COOKIE, SESSION_COOKIE, Place
from trustplane.console.live import Live
from trustplane.console.pages import Pages
from trustplane.flows.people.sign_in import SignIn
from trustplane.flows.people.sign_in_oidc import SignInOidc
from trustplane.main.known import came_along
from trustplane.people.account import Account, AccountName, Role
from trustplane.people.password import PasswordHash

PASSWORD = "seven plain words that nobody guesses"  # noqa: S105 - of accounts in memory

# The cheapest cost there is: what a hash costs is kept in it.
HASH = PasswordHash(
    f"scrypt$04$8$1${base64.b64encode(bytes(16)).decode()}$"
    + base64.b64encode(hashlib.scrypt(PASSWORD.encode(), salt=bytes(16), n=16, r=8, p=1, dklen=32)).decode()
)
OWN_PAGE = {"sec-fetch-site": "same-origin", "origin": "http://server"}


def account(name: str = "ada", role: Role = Role.VIEWER) -> Account:
    return Account(AccountName(name), role, HASH, "local:root", NOON, NOON)


@dataclass(slots=True)
class Browser:
    """`headers` are those of our own pages' forms; a test changes them to be someone else."""

    door: MemoryDoor = field(default_factory=MemoryDoor)
    place: Place = field(default_factory=lambda: Place(is_tls=False, hosts=frozenset({"server"})))
    people: MemoryPeople = field(default_factory=MemoryPeople)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: dict(OWN_PAGE))
    client: AsgiClient = field(init=False)
    live: Live = field(init=False)

    def __post_init__(self) -> None:
        self._open(lambda _: None)

    def provided(self, make: Callable[[SignIn], SignInOidc]) -> None:
        """With a provider that people may sign in at."""
        self._open(make)

    def _open(self, make: Callable[[SignIn], SignInOidc | None]) -> None:
        sign_in = SignIn(self.people, self.clock)
        self.live = Live(sign_in.is_alive, self.clock)
        pages = Pages(self.door, came_along(), self.clock)
        approvals = ApprovalPages(self.door, pages.forget)
        behind = Behind(pages, sign_in, self.live, self.door.facts, self.clock, self.place, approvals, make(sign_in))
        self.client = AsgiClient(console_application(behind))

    def knows(self, *accounts: Account) -> Browser:
        for one in accounts or (account(),):
            asyncio.run(self.people.add_account(one))
        return self

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._kept(self.client.get(path, headers={**headers, **self._sent()}))

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self._kept(self.client.post(path, data=fields, headers={**self.headers, **self._sent()}))

    def form_token(self, path: str) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get(path).text)
        return found[1] if found else ""

    def sign_in(self, name: str = "ada", password: str = PASSWORD, wanted: str = "/") -> httpx.Response:
        token = self.form_token("/sign-in")
        return self.post("/sign-in", form_token=token, name=name, password=password, next=wanted)

    def applied(self, **changes: str | None) -> Browser:
        asyncio.run(self.door.apply(repository(**changes), "local:ada"))
        return self

    def at(self, instant: datetime) -> None:
        self.clock.set_back(self.clock.now() - instant)

    @property
    def is_signed_in(self) -> bool:
        return bool(self.cookies.get(SESSION_COOKIE))

    def _sent(self) -> dict[str, str]:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items() if value)
        return {"cookie": kept} if kept else {}

    def _kept(self, response: httpx.Response) -> httpx.Response:
        for line in response.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return response


__all__ = ["FORM_COOKIE", "SESSION_COOKIE", "Browser", "account"]

"""How often a sign-in may fail, by account and by address, and how many failures are written down.

Both limits hold alike for names that exist and names that do not, so neither tells which is which. A stranger who knows
a name can keep its owner out for a window at a time, from the console and not from the command line.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from trustplane.fault import Unavailable

WINDOW = timedelta(minutes=10)
OF_ONE_ACCOUNT = 10
OF_ONE_ADDRESS = 20
MOST_REMEMBERED = 10_000
WRITTEN_IN_A_WINDOW = 60


@dataclass(slots=True)
class Attempts:
    """Failures in the last window; the oldest are forgotten first when too many are remembered."""

    _failed: OrderedDict[str, list[datetime]] = field(default_factory=OrderedDict)
    _written: list[datetime] = field(default_factory=list)
    _left_out: int = 0

    def require_patience(self, account: str, address: str, at: datetime) -> None:
        """Refuses without looking at the password: it says nothing about it."""
        for key, most in ((_account(account), OF_ONE_ACCOUNT), (_network(address), OF_ONE_ADDRESS)):
            recent = self._recent(key, at)
            if len(recent) >= most:
                raise _wait(recent[-most] + WINDOW - at)

    def failed(self, account: str, address: str, at: datetime) -> int | None:
        """Whether to write it down: how many were not since the last that was, or None."""
        for key in (_account(account), _network(address)):
            self._failed[key] = [*self._recent(key, at), at][-OF_ONE_ADDRESS:]
            self._failed.move_to_end(key)
        while len(self._failed) > MOST_REMEMBERED:
            self._failed.popitem(last=False)
        self._written = [one for one in self._written if one > at - WINDOW]
        if len(self._written) >= WRITTEN_IN_A_WINDOW:
            self._left_out += 1
            return None
        self._written.append(at)
        left, self._left_out = self._left_out, 0
        return left

    def succeeded(self, account: str) -> None:
        self._failed.pop(_account(account), None)

    def _recent(self, key: str, at: datetime) -> list[datetime]:
        return [one for one in self._failed.get(key, ()) if one > at - WINDOW]


def _account(name: str) -> str:
    return f"account {name[:64]}"


def _network(address: str) -> str:
    """An IPv6 network is one customer's: a /64."""
    try:
        found = ip_address(address)
    except ValueError:
        return f"address {address[:64]}"
    if isinstance(found, IPv6Address):
        return f"address {found.packed[:8].hex()}"
    return f"address {found}"


def _wait(length: timedelta) -> Unavailable:
    return Unavailable(
        code="too-many-sign-ins",
        what="too many sign-ins failed for this name or from this address",
        why=f"after {OF_ONE_ACCOUNT} for a name or {OF_ONE_ADDRESS} from an address, the next one waits",
        fix="wait, or set the password anew on the server: trustplane console account password NAME",
        retry_after=max(length, timedelta(seconds=1)),
    )

"""What is about to be lost on this node, told while there is still time: red before, not after. Pure.

A leaf, or the node's own SVID, is in danger when its renewal has failed or is overdue and less than a quarter of its
life is left; one that nothing hinders is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from trustplane.fault import Fault, Finding
from trustplane.flows.clock_skew import NOTHING, Skew
from trustplane.spiffe.x509_svid import X509Svid

LEAST_SHARE = 0.25
OVERDUE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """An SVID as its holder knows it: `renew_at` of none is at once."""

    svid: X509Svid
    renew_at: datetime | None
    fault: Fault | None

    def life(self) -> timedelta:
        return self.svid.not_after - self.svid.not_before

    def left(self, at: datetime) -> timedelta:
        return self.svid.not_after - at

    def in_danger(self, at: datetime) -> bool:
        late = self.fault is not None or (
            self.renew_at is not None and at - self.renew_at > self.life() * OVERDUE_SHARE
        )
        return late and NOTHING < self.left(at) < self.life() * LEAST_SHARE


def leaf_in_danger(held: Held, at: datetime) -> Finding | None:
    if not held.in_danger(at):
        return None
    return Finding(
        code="svid-expires-soon",
        what=f"{held.svid.spiffe_id} loses its SVID in {_told(held.left(at))} and is not renewed",
        why=held.fault.finding.what if held.fault else "the renewal is overdue and has not been answered",
        fix=held.fault.finding.fix if held.fault else "trustplane status shows whether a server can issue",
    )


def node_in_danger(held: Held, at: datetime) -> Finding | None:
    if not held.in_danger(at):
        return None
    return Finding(
        code="node-svid-expires-soon",
        what=f"{held.svid.spiffe_id} loses its SVID in {_told(held.left(at))}; after that nothing here is renewed",
        why=held.fault.finding.what if held.fault else "the renewal is overdue and has not been answered",
        fix=held.fault.finding.fix if held.fault else "trustplane status shows whether a server can issue",
    )


def invalid_by_the_clock(svid: X509Svid, at: datetime, skew: Skew | None) -> Finding | None:
    """Why an SVID that is there is not used, when it is the clock's doing."""
    if at < svid.not_before:
        return Finding(
            code="clock-behind",
            what=f"{svid.spiffe_id} is not served: by this machine's clock its SVID is not valid yet",
            why=f"it is valid from {svid.not_before:%Y-%m-%d %H:%M:%S} UTC and it is {at:%Y-%m-%d %H:%M:%S} UTC here",
            fix="set the clock, for example with chronyc makestep; the SVID is used as soon as it is right",
        )
    if at >= svid.not_after and skew is not None and skew.server_time(at) + skew.error < svid.not_after:
        return Finding(
            code="clock-ahead",
            what=f"{svid.spiffe_id} is not served: by this machine's clock its SVID has expired",
            why=f"by the server's clock it is valid until {svid.not_after:%Y-%m-%d %H:%M:%S} UTC",
            fix="set the clock, for example with chronyc makestep; the SVID is used as soon as it is right",
        )
    return None


def first_expiry(svids: Iterable[X509Svid]) -> datetime | None:
    return min((one.not_after for one in svids), default=None)


def _told(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"  # a minute and a half is told in seconds

"""One leaf as its node holds it, the key it is made with, and what is checked before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trustplane.fault import Broken, Fault, Refused
from trustplane.registry.view import Entry
from trustplane.rotation.leaf import Kept
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.revoked import Revoked
from trustplane.spiffe.verify import BundleSet, verify_x509
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid


class LeafKey(Protocol):
    def csr(self) -> bytes:
        """DER PKCS#10 that proves possession."""
        ...

    def pkcs8(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry's SVID, or why there is none yet.

    `renewal` is what its machine was told when it was issued, or moved to since; none when another is wanted at once.
    Attempts made since are not in it: a disk is not written at every failure.
    """

    entry: Entry
    keyed: KeyedSvid | None = None
    renewal: Kept | None = None
    last_fault: Fault | None = None
    renewals: int = 0
    revoked: bool = False

    @property
    def renew_at(self) -> datetime | None:
        return self.renewal.renew_at if self.renewal else None

    @property
    def held_until(self) -> datetime | None:
        """None for what is worth nothing."""
        return self.keyed.svid.not_after if self.keyed and not self.revoked else None

    def usable(self, at: datetime) -> KeyedSvid | None:
        if self.keyed is None or self.revoked:
            return None
        return self.keyed if self.keyed.svid.not_before <= at < self.keyed.svid.not_after else None


def vouched_for(leaf: Leaf, bundles: BundleSet, at: datetime) -> bool:
    """False when these bundles do not vouch for what is in use. It serves on: who still trusts it is better off."""
    if leaf.usable(at) is None or leaf.keyed is None:
        return True
    try:
        verify_x509(leaf.keyed.svid, bundles, at)
    except Fault:
        return False
    return True


def check_fresh(svid: X509Svid, asked_for: SpiffeId, bundles: BundleSet | None, revoked: Revoked, at: datetime) -> None:
    _check_clock(svid, at)
    if bundles is None or verify_x509(svid, bundles, at, revoked) != asked_for:
        raise Broken(
            code="leaf-for-another",
            what=f"asked for {asked_for} and was given {svid.spiffe_id}",
            why="an agent uses only what it asked for",
            fix="look at the server's audit log for this serial and report it",
        )


def _check_clock(svid: X509Svid, at: datetime) -> None:
    """A fresh leaf that is not valid now was made by a clock that is not ours."""
    if at < svid.not_before:
        raise Refused(
            code="clock-behind",
            what=f"the new SVID of {svid.spiffe_id} is valid from {svid.not_before:%Y-%m-%d %H:%M:%S} UTC",
            why=f"by this machine's clock that is {svid.not_before - at} ahead: it is behind the server's",
            fix="set both clocks, for example with chronyc makestep; the agent goes on by itself",
        )
    if at >= svid.not_after:
        raise Refused(
            code="clock-ahead",
            what=f"the new SVID of {svid.spiffe_id} expired at {svid.not_after:%Y-%m-%d %H:%M:%S} UTC",
            why=f"by this machine's clock that was {at - svid.not_after} ago: it is ahead of the server's",
            fix="set both clocks, for example with chronyc makestep; the agent goes on by itself",
        )

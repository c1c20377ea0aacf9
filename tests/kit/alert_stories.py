"""Fleets whose metrics are recorded, what breaks in each, and which alerts must fire over it, by when.

What is not named must be silent. An instant is in minutes from the start of the recording; what breaks does so at 60.
Leaves live an hour and are renewed between half and three quarters of it, so the first one ends at 90, and the time to
repair is ten minutes: what pages must have fired by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from tests.kit.recorded_fleet import LIFETIMES, Story
from tests.kit.recorded_rotation import RotationStory
from tests.kit.recorded_world import Broken

VECTORS = Path(__file__).parents[1] / "vectors" / "alerts"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FIRST_EXPIRY = 90
# What follows from it when nobody issues: tickets come while leaves are still valid, and the page before one is lost.
NOT_RENEWED = {
    "TrustplaneRenewalsLate": FIRST_EXPIRY,
    "TrustplaneLeavesExpireBeforeRepair": FIRST_EXPIRY - 4,
    "TrustplaneOutageBudgetShort": FIRST_EXPIRY - 4,
    "TrustplaneLeafNotRenewed": FIRST_EXPIRY,
    "TrustplaneRenewalSlackLow": FIRST_EXPIRY,
    "TrustplaneLeavesLost": FIRST_EXPIRY + 4,
}


@dataclass(frozen=True)
class Told:
    """`fires`: alerts by name, each with the minute by which it must."""

    story: Story | RotationStory
    fires: Mapping[str, int]


def _told(about: str, broken: Broken, /, **fires: int) -> Told:
    return Told(Story(about, broken), {f"Trustplane{name}": by for name, by in fires.items()})


def _with_root(about: str, life: timedelta, /, **fires: int) -> Told:
    story = Story(about, Broken(), 2 * HOUR, replace(LIFETIMES, root=life))
    return Told(story, {f"Trustplane{name}": by for name, by in fires.items()})


STORIES: Mapping[str, Told] = {
    "healthy-day": Told(
        Story("Nothing is wrong. Authorities change every 6 h, CRLs are signed every hour.", length=24 * HOUR), {}
    ),
    "busy-day": Told(
        Story(
            "Nothing is wrong: questions get lost, clocks differ, agents are upgraded, a quarter and then all restart.",
            Broken(at=timedelta(0), busy=True),
            12 * HOUR,
        ),
        {},
    ),
    "day-long-leaves": Told(Story("Nothing is wrong. Leaves live for a day.", length=24 * HOUR, life=24 * HOUR), {}),
    "short-outage": _told(
        "No server issues for 8 minutes, within the promised time to repair.",
        Broken(until=HOUR + 8 * MINUTE, issuer=True),
    ),
    "issuer-away": Told(Story("No server can issue.", Broken(issuer=True)), NOT_RENEWED),
    "all-refused": Told(
        Story("Every request is refused.", Broken(refusals=True)), {**NOT_RENEWED, "TrustplaneRequestsRefused": 74}
    ),
    "database-away": Told(
        Story("The database does not answer.", Broken(database=True)), {**NOT_RENEWED, "TrustplaneFiguresStale": 74}
    ),
    "cluster-cut-off": Told(
        Story("One cluster of two reaches no server.", Broken(cut_off=4)),
        {
            **NOT_RENEWED,
            "TrustplaneClusterAway": 68,
            "TrustplaneAgentsAway": 80,
            # Half as many leaves are due, so three late ones on two nodes are there a little later.
            "TrustplaneLeavesExpireBeforeRepair": FIRST_EXPIRY,
            "TrustplaneRenewalsLate": FIRST_EXPIRY + 4,
        },
    ),
    "node-off": _told(
        "One node of eight is switched off.",
        Broken(cut_off=1),
        AgentsAway=80,
        LeafNotRenewed=96,
        OutageBudgetShort=96,
        RenewalSlackLow=98,
    ),
    "server-away": _told("There is no server.", Broken(server=True), ServerAbsent=70),
    "proxies-stuck": _told("Two sidecars keep the leaf they have.", Broken(stuck_leaves=2), ServedNotIssued=86),
    "bundle-stuck": _told("Three sidecars hold a former bundle.", Broken(stuck_bundles=3), BundleBehind=84),
    "configuration-refused": _told("Two sidecars refuse their listener.", Broken(refusing=2), ResourcesRefused=74),
    "proxies-in-doubt": _told(
        "Two sidecars show other leaves than they acknowledged.", Broken(doubted=2), ProxiesInDoubt=74
    ),
    "clock-slow": _told("The clock of one node is 2 minutes behind.", Broken(slow_clocks=1), ClocksOff=68),
    "authority-kept": Told(
        Story("No authority can be made, since the keys are away.", Broken(keys=True), 10 * HOUR),
        {"TrustplaneAuthorityChangeMissing": 6 * 60 + 30, "TrustplaneChainEnds": 9 * 60 - 15},
    ),
    "crl-not-signed": _told(
        "No CRL can be signed.", Broken(crl_keys=True), RevocationNotInForce=76, ChainEnds=120 - 15
    ),
    "root-old": _with_root("The root ends in 20 days.", timedelta(days=20), RootEndsSoon=12),
    "root-ends": _with_root("The root ends in 6 days.", timedelta(days=6), RootEndsSoon=12, ChainEnds=4),
    "partner-away": _told("A partner's bundle endpoint does not answer.", Broken(partner=True), FederationFailing=130),
    "rotation-waits": Told(
        RotationStory("A sidecar never takes up the new bundle during a change of root.", 8 * HOUR),
        {"TrustplaneRotationStuck": 90 + 6 * 60 + 20},
    ),
}

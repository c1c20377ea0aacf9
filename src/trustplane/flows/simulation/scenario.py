"""What is simulated: a fleet, its servers' pace, and what goes wrong when. Instants are counted from the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from trustplane.fault import Refused
from trustplane.registry.model import RenewalWindow

MOST_WORKLOADS = 1_000_000
LONGEST_RUN = timedelta(days=400)


class Rule(Enum):
    """Who decides when a leaf is renewed, and how a failure is retried."""

    OURS = "ours"
    SPIRE = "spire"
    CERT_MANAGER = "cert-manager"
    CSI_DRIVER = "csi-driver-spiffe"
    LINKERD = "linkerd"
    ISTIO = "istio"
    CONSUL = "consul"


@dataclass(frozen=True, slots=True)
class Outage:
    """No server answers: every question is refused at once, and whoever was waiting there is cut off."""

    at: timedelta
    length: timedelta

    @property
    def until(self) -> timedelta:
        return self.at + self.length

    def __post_init__(self) -> None:
        _check_span(self.at, self.length)


@dataclass(frozen=True, slots=True)
class Partition:
    """This share of the nodes reaches no server: every question of theirs goes unanswered."""

    share: float
    at: timedelta
    length: timedelta

    @property
    def until(self) -> timedelta:
        return self.at + self.length

    def __post_init__(self) -> None:
        _check_share(self.share)
        _check_span(self.at, self.length)


@dataclass(frozen=True, slots=True)
class Restart:
    """This share of the nodes comes back with nothing: no leaf, no key, no memory of when to renew."""

    share: float
    at: timedelta

    def __post_init__(self) -> None:
        _check_share(self.share)
        _check_span(self.at, timedelta(0))


@dataclass(frozen=True, slots=True)
class Scenario:
    """`skew`: each node's clock is off by up to this, either way. `loss`: share of questions never answered."""

    workloads: int = 100_000
    per_node: int = 20
    lifetime: timedelta = timedelta(hours=1)
    window: RenewalWindow = field(default_factory=lambda: RenewalWindow(0.5, 0.75))
    length: timedelta = timedelta(hours=24)
    signing_rate: float = 1000.0
    skew: timedelta = timedelta(0)
    loss: float = 0.0
    seed: int = 1
    rule: Rule = Rule.OURS
    outages: tuple[Outage, ...] = ()
    partitions: tuple[Partition, ...] = ()
    restarts: tuple[Restart, ...] = ()

    def __post_init__(self) -> None:
        if not (1 <= self.workloads <= MOST_WORKLOADS and 1 <= self.per_node <= 10_000):
            raise _refused(
                f"{self.workloads} workloads, {self.per_node} on a node", f"up to {MOST_WORKLOADS} workloads"
            )
        if not timedelta(seconds=20) <= self.lifetime <= timedelta(days=90):
            raise _refused(f"a lifetime of {self.lifetime}", "leaves live between 20 seconds and 90 days")
        if not timedelta(minutes=1) <= self.length <= LONGEST_RUN:
            raise _refused(f"a run of {self.length}", "a run takes between a minute and 400 days")
        if not 0 < self.signing_rate <= 1e6:
            raise _refused(f"{self.signing_rate:g} signatures a second", "a server signs more than 0, up to a million")
        if not timedelta(0) <= self.skew <= timedelta(hours=1) or not 0 <= self.loss < 1:
            raise _refused(f"a skew of {self.skew}, a loss of {self.loss}", "up to one hour, and from 0 to below 1")

    @property
    def nodes(self) -> int:
        return -(-self.workloads // self.per_node)

    @property
    def outage_budget(self) -> timedelta:
        """The longest outage that expires nothing, whenever it begins.

        A leaf whose renewal falls at the very end of its window has least left when the servers die; an agent whose
        clock is behind comes later still.
        """
        return max(timedelta(0), self.lifetime * (1 - self.window.closes) - self.skew)


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise _refused(f"a share of {share:.0%}", "a share of the fleet is above 0 % and at most all")


def _check_span(at: timedelta, length: timedelta) -> None:
    if not (timedelta(0) <= at <= LONGEST_RUN and timedelta(0) <= length <= LONGEST_RUN):
        raise _refused(f"an event at {at} for {length}", "events lie within the run")


def _refused(what: str, why: str) -> Refused:
    return Refused(
        code="bad-scenario",
        what=f"{what} cannot be simulated",
        why=why,
        fix="see trustplane simulate --help",
    )

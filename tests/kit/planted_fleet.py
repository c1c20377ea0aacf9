"""Fleets of links in which a cause was planted, or none: what a ranking has to find, and where it has to be silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from trustplane.handshake.fleet.changes import Window
from trustplane.handshake.fleet.subject import Subject

BEGAN = datetime(2026, 11, 27, 9, tzinfo=UTC)
HOUR = Window(BEGAN, BEGAN + timedelta(hours=1))
BUILDS = ("1.36.2", "1.37.2", "1.38.3", "1.40.0")


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    zone: str
    build: str
    issuer: str


def fleet(random: Random, nodes: int = 24, links: int = 300) -> list[Subject]:
    """Every link works. Zones are blocks of nodes; builds and issuers lie across them."""
    places = [
        Node(f"node-{at}", f"zone-{at * 3 // nodes}", random.choice(BUILDS), f"issuer-{at % 2}") for at in range(nodes)
    ]
    return [_link(number, random.choice(places), random.choice(places), random) for number in range(links)]


def _link(number: int, client: Node, server: Node, random: Random) -> Subject:
    facts = {
        "client node": (client.name,),
        "server node": (server.name,),
        "node": tuple(dict.fromkeys((client.name, server.name))),
        "client zone": (client.zone,),
        "client build": (client.build,),
        "server build": (server.build,),
        "server issuer": (server.issuer,),
        "client service": (f"shop/service-{random.randrange(12)}",),
        "server service": (f"shop/service-{random.randrange(12)}",),
    }
    return Subject(f"link-{number}", facts, attempts=1000)


def failing(one: Subject, random: Random, begins: float = 0.0, cause: str = "leaf-expired") -> Subject:
    """From some time after `begins`, a share of the hour; how often, varies as retries do."""
    many = int(random.paretovariate(0.6)) + 10
    at = BEGAN + timedelta(seconds=3600 * random.uniform(begins, 1))
    return replace(one, causes={cause: many}, attempts=1000 + many, first=at)


def beginning(subjects: list[Subject], random: Random, begins: float = 0.0) -> list[Subject]:
    """A third has been there all the time; the others come at some time of the hour, after `begins`."""
    at = [0.0 if random.random() < 1 / 3 else random.uniform(begins, 1) for _ in subjects]
    return [replace(one, began=BEGAN + HOUR.length * share) for one, share in zip(subjects, at, strict=True)]


def failing_since_then(one: Subject, random: Random, hazard: float, after: float = 0.0) -> Subject:
    """At an even rate from when it began, or from `after` if that is later; `hazard` in an hour."""
    begins = max(0.0, after, (one.began - BEGAN) / HOUR.length if one.began else 0.0)
    at = begins + random.expovariate(hazard)
    return replace(one, causes={"leaf-expired": 20}, attempts=1020, first=BEGAN + HOUR.length * at) if at < 1 else one


def with_failures(subjects: list[Subject], fails: Callable[[Subject], bool], random: Random) -> list[Subject]:
    return [failing(one, random) if fails(one) else one for one in subjects]

"""What the console's first pages cost with 9,990 services on 999 nodes: each read of the store, and each whole page.

A real SQLite database holds a sidecar of every service with fifteen things, a leaf for each, and a hundred things that
differ. Pages are asked of the real application in memory; what they cost is CPU seconds of one core, reads of other
threads included. A page is then the same for everyone who looks within a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import process_time

import httpx

from benchmarks._figures import load, small, tell
from tests.kit.clock import VirtualClock
from tests.kit.console import OWN_PAGE, PASSWORD, Browser, account
from tests.kit.server_door import NOON, MemoryDoor, certificate
from trustplane.issuance.outage_budget import OutageBudget, outage_budget
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.records import Agent, Holding, Hosting
from trustplane.registry.uptake import Uptake
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store

SERVICES = 200 if small() else 9_990  # a trust repository has 10,000 files at most
NODES = SERVICES // 10
THINGS = 15
DIFFERING = 100
PAGES = {"overview": "/", "services": "/services", "service": "/services/shop/s00007", "failures": "/failures"}


def node(number: int) -> NodeName:
    return NodeName(f"n{number % NODES:04}")


def name(number: int) -> ServiceName:
    return ServiceName("shop", f"s{number:05}")


def identity(number: int) -> SpiffeId:
    return SpiffeId.parse(f"spiffe://acme.example/ns/shop/sa/{name(number).name}")


def repository() -> dict[str, bytes]:
    files = {"trustdomain.yaml": b"trust_domain: acme.example\n", "namespaces.yaml": b"shop: {owners: [shop-team]}\n"}
    for number in range(SERVICES):
        path = f"services/shop/{name(number).name}/service.yaml"
        files[path] = f"selectors: [unix:uid:{10_000 + number}]\nnodes: [{node(number)}]\n".encode()
    return files


def holdings() -> list[Holding]:
    found = [Holding(node(one), f"agent {node(one)}", "view", "aa", "aa", "", NOON) for one in range(NODES)]
    for number in range(SERVICES):
        for thing in range(THINGS):
            desired = hashlib.sha256(f"{number} {thing}".encode()).hexdigest()
            held = "" if thing == 0 and number < DIFFERING else desired
            refusal = "no such filter" if not held else ""
            what = f"secret/{identity(number)}" if thing == 1 else f"cluster/{thing}"
            found.append(Holding(node(number), f"sidecar {name(number)}", what, desired, held, refusal, NOON))
    return found


def leaf(number: int) -> IssuedCertificate:
    made = certificate(number + 1, identity(number), timedelta(hours=1, seconds=number % 3600))
    return IssuedCertificate(**{each: getattr(made, each) for each in made.__slots__} | {"node": node(number)})


@dataclass(slots=True)
class StoredDoor(MemoryDoor):
    """What is large comes from the database, as the server's own door has it."""

    stores: list[Store] = field(default_factory=list)
    names: dict[SpiffeId, ServiceName] = field(default_factory=dict)

    def stored(self) -> Store:
        return self.stores[0]

    async def agents(self) -> Sequence[Agent]:
        return await self.stored().agents()

    async def hostings(self) -> Sequence[Hosting]:
        return await self.stored().hosting()

    async def uptake(self) -> Uptake:
        return (await self.stored().uptake()).with_views(await self.stored().views_held())

    async def holdings_about(self, participant: str, thing: str, limit: int) -> Sequence[Holding]:
        return await self.stored().holdings_about(participant, thing, limit)

    async def outage_budget(self) -> OutageBudget:
        newest = await self.stored().newest_certificates()
        return outage_budget(newest, lambda _, spiffe_id: self.names.get(spiffe_id))


async def cost(work: Callable[[], Awaitable[object]]) -> float:
    started = process_time()
    await work()
    return round(process_time() - started, 3)


async def filled(store: Store) -> None:
    for number in range(NODES):
        await store.put_agent(
            Agent(node(number), "10.0.0.7", "join-token", NOON, number + 1, NOON + timedelta(hours=1))
        )
        services = {name(each) for each in range(number, SERVICES, NODES)}
        await store.put_hosting(node(number), services, NOON)
    everything = holdings()
    for start in range(0, len(everything), 5000):
        await store.put_holdings(everything[start : start + 5000])
    for start in range(0, SERVICES, 500):
        leaves = [leaf(number) for number in range(start, min(start + 500, SERVICES))]
        await store.record_issuance(leaves, [b"{}"], NOON)


async def measured(directory: str) -> dict[str, object]:
    store = await Store.open(f"sqlite:///{directory}/store.db", VirtualClock(NOON))
    async with store:
        await filled(store)
        reads = {
            "every holding": store.holdings,
            "what differs, and how many do not": store.uptake,
            "newest leaves": store.newest_certificates,
            "nodes": store.agents,
            "where services are": store.hosting,
        }
        by_read = {name: await cost(read) for name, read in reads.items()}
        door = StoredDoor(stores=[store], names={identity(number): name(number) for number in range(SERVICES)})
        browser = Browser(door)
        await browser.people.add_account(account())
        await door.apply(repository(), "local:ada")
        return {"reads_cpu_seconds": by_read, "pages_cpu_seconds": await pages(browser)}


async def pages(of: Browser) -> dict[str, float]:
    """The first of two who look; the second finds what the first was shown."""
    transport = httpx.ASGITransport(of.client.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        await sign_in(client)
        return {page: await cost(partial(shown, client, path)) for page, path in PAGES.items()}


async def shown(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(answer.text)


async def sign_in(client: httpx.AsyncClient) -> None:
    page = await client.get("/sign-in")
    token = re.findall(r'name="form_token" value="([0-9a-f]+)"', page.text)[0]
    fields = {"form_token": token, "name": "ada", "password": PASSWORD, "next": "/"}
    cookies = "; ".join(line.partition(";")[0] for line in page.headers.get_list("set-cookie"))
    answer = await client.post("/sign-in", data=fields, headers={**OWN_PAGE, "cookie": cookies})
    client.headers["cookie"] = answer.headers.get_list("set-cookie")[0].partition(";")[0]


def main() -> None:
    before = load()
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(measured(directory))
    tell("console_overview", {"services": SERVICES, "nodes": NODES, **found}, [before, load()])


if __name__ == "__main__":
    main()

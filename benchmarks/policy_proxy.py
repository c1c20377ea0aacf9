"""What rules cost in a real Envoy: latency and CPU of a request at 10, 100 and 1,000 rules, against one rule.

One sidecar, one open connection over mutual TLS, one request at a time. Every rule names another caller and another
path, and Envoy looks at them one after the other, by name; the request is allowed by the last of them, or by none. The
sizes take turns, so that what else the machine does meets them alike. The floor is the same Envoy with one rule, in the
same run. Latency includes the client and the service, which are Python; Envoy's CPU does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks._figures import cpu_seconds, goal, load, percentile, small, spread, tell
from tests.kit.policy_bench import Line, acme_book, enforcing, http, tls_as
from trustplane.policy import document
from trustplane.policy.access import Access, Grant
from trustplane.policy.tree import Method, Who, all_of
from trustplane.policy.tree import Path as Asked
from trustplane.spiffe.ids import SpiffeId

SIZES = (1, 10, 100, 1_000)
ROUNDS, REQUESTS = (2, 20) if small() else (10, 700)
WEB = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
ALLOWED, DENIED = http("POST", "/last/charge"), http("POST", "/nobody/charge")


@dataclass
class Seen:
    """Of one size: microseconds of each request, and Envoy's CPU in each round."""

    allowed: list[float] = field(default_factory=list)
    denied: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def rules(size: int) -> bytes:
    others = (
        Grant(f"r{one:05}", _who(f"other{one}"), all_of(Method("POST"), Asked((f"/other{one}/charge",))))
        for one in range(size - 1)
    )
    last = Grant("z", Who(ids=frozenset({WEB})), all_of(Method("POST"), Asked(("/last/charge",))))
    return document.encode(Access((), (*others, last)))


def _who(name: str) -> Who:
    return Who(ids=frozenset({SpiffeId.parse(f"spiffe://acme.example/ns/shop/sa/{name}")}))


async def timed(line: Line, request: bytes, status: int) -> AsyncIterator[float]:
    for _ in range(REQUESTS):
        started = perf_counter()
        answered = await line.ask(request)
        if answered != status:
            raise SystemExit(f"a request was answered {answered}, not {status}")
        yield (perf_counter() - started) * 1e6


async def measured(folder: Path) -> dict[int, Seen]:
    found = {size: Seen() for size in SIZES}
    async with enforcing(folder, acme_book()) as (bench, member), contextlib.AsyncExitStack() as after:
        line = Line(member.sidecar.ports.mesh, tls_as(bench, WEB))
        after.callback(line.close)
        for _ in range(ROUNDS):
            for size, seen in found.items():
                bench.publish(member, policy=rules(size))
                await bench.settled(member)
                await line.ask(ALLOWED)
                assert member.envoy is not None  # noqa: S101 - it was started
                before = cpu_seconds(member.envoy.pid)
                seen.allowed += [one async for one in timed(line, ALLOWED, 200)]
                seen.denied += [one async for one in timed(line, DENIED, 403)]
                seen.cpu.append((cpu_seconds(member.envoy.pid) - before) / (2 * REQUESTS) * 1e6)
            member.served.clear()
    return found


def figure(seen: Seen, floor: Seen) -> dict[str, Any]:
    sides = {"allowed": (seen.allowed, floor.allowed), "denied": (seen.denied, floor.denied)}
    return {
        **{f"{name}_p50_us": round(percentile(own, 0.5)) for name, (own, _) in sides.items()},
        **{f"{name}_p99_us": round(percentile(own, 0.99)) for name, (own, _) in sides.items()},
        **{
            f"{name}_p99_to_one_rule": round(percentile(own, 0.99) / percentile(one, 0.99), 2)
            for name, (own, one) in sides.items()
        },
        "envoy_cpu_us": spread(seen.cpu, 1),
        "envoy_cpu_us_more": round(sum(seen.cpu) / len(seen.cpu) - sum(floor.cpu) / len(floor.cpu), 1),
    }


def main() -> None:
    loads = [load()]
    with tempfile.TemporaryDirectory(prefix="tp-", dir="/tmp") as folder:
        found = asyncio.run(measured(Path(folder)))
    figures = {str(size): figure(seen, found[1]) for size, seen in found.items()}
    ratio = goal(figures["1000"]["allowed_p99_to_one_rule"], below=2.0)
    tell(
        "policy_proxy",
        {"p99_1000_to_one_rule": ratio, "requests_each": ROUNDS * REQUESTS, "rules": figures},
        [*loads, load()],
    )


if __name__ == "__main__":
    main()

"""How long the exact difference of two policies takes: 2,000 rules against 3,998 that mean the same, and one mistake.

Twenty callers, three methods, and paths that are exact, a prefix, or a pattern with a wildcard inside. The second
policy says each of the first one's rules, and 1,998 more that say a part of one of them again. Each mistake widens one
rule; that it is found is checked, and its shortest request is told.
"""

from __future__ import annotations

from random import Random
from time import perf_counter, process_time

from benchmarks._figures import goal, load, small, spread, tell
from trustplane.policy.access import Access, Grant
from trustplane.policy.difference import Region, difference
from trustplane.policy.tree import Method, Path, Who, all_of
from trustplane.spiffe.ids import SpiffeId

RULES = 100 if small() else 2_000
ROUNDS = 2 if small() else 7
METHODS = ("GET", "POST", "PUT")
CALLERS = [SpiffeId.parse(f"spiffe://bench.example/ns/bench/sa/s{number}") for number in range(20)]
Said = tuple[SpiffeId, str, Path]


def segment(draw: Random) -> str:
    return "".join(draw.choice("abcdefghij") for _ in range(draw.randint(2, 6)))


def rule(draw: Random) -> Said:
    path = "/" + "/".join(segment(draw) for _ in range(draw.randint(1, 4)))
    parts = draw.choice([(path,), (path + "/", ""), (path + "/", "/" + segment(draw))])
    return draw.choice(CALLERS), draw.choice(METHODS), Path(parts)


def part_of(said: Said, draw: Random) -> Said:
    """A rule inside it, which therefore adds nothing."""
    caller, method, path = said
    first, *rest = path.parts
    return caller, method, Path((first + segment(draw), *rest)) if rest else path


def widened(said: Said) -> Said:
    caller, method, path = said
    return caller, method, Path((path.parts[0][:-1] or "/", ""))


def access(rules: list[Said]) -> Access:
    return Access(
        (),
        tuple(
            Grant(f"r{number:05}", Who(ids=frozenset({caller})), all_of(Method(method), path))
            for number, (caller, method, path) in enumerate(rules)
        ),
    )


def timed(before: Access, after: Access) -> tuple[float, float, list[Region]]:
    """CPU seconds, seconds by the clock, and what was found."""
    started, cpu = perf_counter(), process_time()
    found = list(difference(before, after))
    return process_time() - cpu, perf_counter() - started, found


def main() -> None:
    loads, draw = [load()], Random(11)  # noqa: S311 - the same rules every time
    equal, mistaken, clock, shown = [], [], [], ""
    for _ in range(ROUNDS):
        rules = [rule(draw) for _ in range(RULES)]
        others = rules + [part_of(one, draw) for one in rules[: RULES - 2]]
        draw.shuffle(others)
        before = access(rules)
        seconds, by_the_clock, found = timed(before, access(others))
        clock.append(by_the_clock)
        if found:
            raise SystemExit(f"a difference where there is none: {found[0]}")
        equal.append(seconds)
        at = others.index(draw.choice(rules))  # a part of one could be widened and still be inside it
        seconds, _, found = timed(before, access([*others[:at], widened(others[at]), *others[at + 1 :]]))
        if not any(one.newly_allowed for one in found):
            raise SystemExit("a widened rule was not found")
        mistaken.append(seconds)
        shown = str(next(one.request for one in found if one.newly_allowed))
    figures = {
        "cpu_seconds": goal(round(max(equal), 2), below=2.0),
        "rules": [RULES, 2 * RULES - 2],
        "equal_cpu_s": spread(equal, 2),
        "equal_by_the_clock_s": spread(clock, 2),
        "one_widened_cpu_s": spread(mistaken, 2),
        "shortest_request": shown,
    }
    tell("policy_difference", figures, [*loads, load()])


if __name__ == "__main__":
    main()

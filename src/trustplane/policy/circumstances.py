"""Every combination of headers and port that some expressions can tell apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, combinations, product
from typing import TypeAlias

from trustplane.fault import Refused
from trustplane.policy.tree import AllOf, AnyOf, Expression, HeaderIs, HeaderPresent, Headers, Not, Port

MAX_COMBINATIONS = 65_536
MAX_VALUES = 10  # of one header
Circumstances: TypeAlias = tuple[Headers, int]


def circumstances(expressions: Iterable[Expression], port: int) -> Iterator[Circumstances]:
    """The plainest first: no headers, and `port` if none is asked for."""
    headers: dict[str, set[str]] = defaultdict(set)
    edges: set[int] = set()
    for expression in expressions:
        _collect(expression, headers, edges)
    ports = _ports(edges, port)
    choices = [_lines(name, sorted(values)) for name, values in sorted(headers.items())]
    count = len(ports)
    for choice in choices:
        count *= len(choice)
    if count > MAX_COMBINATIONS:
        raise _too_many(count)
    for at_port in ports:
        for chosen in product(*choices):
            yield tuple(chain.from_iterable(chosen)), at_port


def _collect(expression: Expression, headers: dict[str, set[str]], edges: set[int]) -> None:
    match expression:
        case HeaderIs(name, value):
            headers[name].add(value)
        case HeaderPresent(name):
            headers[name].update(())
        case Port(first, end):
            edges.update((first, end))
        case AllOf(items) | AnyOf(items):
            for item in items:
                _collect(item, headers, edges)
        case Not(item):
            _collect(item, headers, edges)
        case _:
            return


def _lines(name: str, values: list[str]) -> list[Headers]:
    """Without the header, with every set of the values asked for, and with a value nobody asks for."""
    if len(values) > MAX_VALUES:
        raise _too_many(1 << len(values))
    other = next(one for one in ("other", "another", "x" * 20) if one not in values)
    some = chain.from_iterable(combinations(values, count) for count in range(1, len(values) + 1))
    return [(), ((name, other),), *(tuple((name, value) for value in chosen) for chosen in some)]


def _ports(edges: set[int], port: int) -> list[int]:
    """`port` first, and then one for every range between edges."""
    reached = {sum(edge <= port for edge in edges)}
    found = [port]
    for candidate in sorted({1, *edges} - {0, 65536}):
        part = sum(edge <= candidate for edge in edges)
        if part not in reached:
            reached.add(part)
            found.append(candidate)
    return found


def _too_many(count: int) -> Refused:
    return Refused(
        code="policy-too-complex",
        what=f"the headers and ports of these rules have {count} combinations",
        why=f"what is proved must be bounded: {MAX_COMBINATIONS} are tried",
        fix="ask for fewer values of the same header in one service's rules",
    )

"""No process can be two services.

Two entries on one node are told apart only by a fact a process has one value of (uid, path, unit ...) and for which
both name different values. Without such a fact, some process could show the selectors of both: always, if one set
contains the other; by accident, if they speak of different facts (a uid here, a path there). Both are refused. Entries
that can never meet on a node do not matter to each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, product

from trustplane.registry.admission.placement import meeting, share_a_node
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.findings import Findings
from trustplane.registry.model import Service
from trustplane.registry.selector_kinds import KINDS

Entry = Drafted[Service]


def check_selectors(draft: Draft, findings: Findings) -> None:
    services = [drafted for _, drafted in sorted(draft.services.items())]
    for drafted in services:
        _check_some(drafted, findings)
        _check_single(drafted, findings)
    for pair in _comparable([drafted for drafted in services if drafted.value.selectors]):
        one, other = sorted(pair, key=lambda drafted: drafted.value.name)
        if not _told_apart(one.value, other.value):
            _ambiguous(one, other, findings)
        if findings.is_full:
            return


def _single_valued(service: Service) -> dict[str, str]:
    return {selector.kind: selector.value for selector in service.selectors if KINDS[selector.kind].single}


def _told_apart(one: Service, other: Service) -> bool:
    facts = _single_valued(other)
    return any(facts.get(kind, value) != value for kind, value in _single_valued(one).items())


def _comparable(services: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """The pairs that can meet and that the most common fact does not tell apart; all others need no look."""
    facts = {drafted.value.name: _single_valued(drafted.value) for drafted in services}
    counts = Counter(chain.from_iterable(facts.values()))
    pivot = counts.most_common(1)[0][0] if counts else ""
    buckets: dict[str, list[Entry]] = defaultdict(list)
    silent: list[Entry] = []
    for drafted in services:
        value = facts[drafted.value.name].get(pivot)
        (silent if value is None else buckets[value]).append(drafted)
    for alike in (*buckets.values(), silent):
        yield from meeting(alike, _service)
    for one, other in product(silent, chain.from_iterable(buckets.values())):
        if share_a_node(one.value, other.value):
            yield one, other


def _service(drafted: Entry) -> Service:
    return drafted.value


def _check_some(drafted: Entry, findings: Findings) -> None:
    if not drafted.value.selectors:
        findings.add(
            code="no-selectors",
            what=f"{drafted.value.name} has no selectors",
            why="an entry without selectors would match every process",
            fix="write for example selectors: [unix:uid:1001]",
            place=drafted.place("selectors"),
        )


def _check_single(drafted: Entry, findings: Findings) -> None:
    counts = Counter(selector.kind for selector in drafted.value.selectors if KINDS[selector.kind].single)
    for kind in sorted(kind for kind, count in counts.items() if count > 1):
        findings.add(
            code="impossible-selectors",
            what=f"{drafted.value.name} asks for {counts[kind]} values of {kind} at once",
            why=f"a process must show every selector, and it has one {kind}, so nothing would match",
            fix="keep one of them",
            place=drafted.place("selectors"),
        )


def _ambiguous(one: Entry, other: Entry, findings: Findings) -> None:
    first, second = one.value, other.value
    if first.selectors <= second.selectors:
        how = f"every process that shows the selectors of {second.name} also shows those of {first.name}"
    elif second.selectors <= first.selectors:
        how = f"every process that shows the selectors of {first.name} also shows those of {second.name}"
    else:
        how = "they name no fact with one value per process in which they differ"
    findings.add(
        code="ambiguous-selectors",
        what=f"one process could be both {first.name} and {second.name}",
        why=f"{how}, and both may be on one node; the process would receive two identities",
        fix="give both the same kind of fact with different values, such as unix:uid, or put them on different nodes",
        place=other.place("selectors"),
    )

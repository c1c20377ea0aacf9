"""Writes docs/diagnosis-score.md: what a diagnosis makes of the records of every injected fault.

The records are those that real proxies wrote (tests/vectors/handshake); no proxy runs here.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.kit.fault_ceiling import ceiling, told  # noqa: E402 - the tree is not installed
from tests.kit.fault_records import VECTORS, recorded  # noqa: E402 - likewise
from tests.kit.fault_score import SIDES, Given, Scored, scored, share  # noqa: E402 - likewise
from tests.kit.faults import cause_for  # noqa: E402 - likewise
from trustplane.handshake.failure import Tls  # noqa: E402 - likewise

HEAD = """\
# How well failed handshakes are diagnosed

<!-- Written by scripts/write_diagnosis_score.py; `make drift` fails when it is out of date. -->

Each fault was injected between two real peers, and what both wrote is kept in
[tests/vectors/handshake](../tests/vectors/handshake/README.md). A diagnosis is *right* if its likeliest cause is the
injected one, and *falsely sure* with a confidence of 0.9 or more in a wrong cause, which must not happen. It was made
from four kinds of evidence:

- *text*: what the logs say, and nothing else. *Or says who knows*: not named, but the answer is that the other side's
  record has the reason, which under TLS 1.3 is all that a refused client can know;
- *stored*: the records as a server keeps those of its own sidecars, with what the agent adds (its leaf, its bundle, the
  peer's certificate) and what the issuer knows of those certificates. It is what `trustplane diagnose --since` and the
  console work from; clients that are no sidecars of ours write no such record;
- *held*: the text, and what each side *whose record it is* has itself: its chain, bundle and lists, and of an Envoy the
  names, limits and parameters of its configuration. Nothing of the other side;
- *shown*: the text, and the chain that was refused with what its verifier trusts, whichever side has them.

*At most* is the bound for text alone: rows whose records are word for word the same (but for names, instants and
numbers of one run) cannot be told apart, and of each such group the best answer is its most frequent cause. It is made
of these rows, so it is what somebody could reach who knew how often each fault was injected.

{totals}
{bound}
Nobody looked at the builds of the second and third line while weights were set; their texts are much like 1.40's, so
that proves little. What the catalogue knew of gRPC, Java and rustls before it had met them is in
[0526](decisions/0526-first-sight-is-kept.md): 95 %, 73 % and 76 % with both records, 52 %, 43 % and 51 % with one, and
one fault each of Java and rustls falsely sure.

| by | records of | right, from text | at most | or says who knows | stored | held | shown | falsely sure |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
BOUND = """\
**Text alone cannot do more.** Of the rows of the first line, {told_both:.0%} with both records and {told_one:.0%} with
one have evidence that comes with a single cause; the rest share theirs with another fault. With both records the score
is the bound, and the {goals[0]:.0%} aimed at lie above it. With one it lies {below:.1f} points below, and the
{goals[1]:.0%} aimed at lie above the bound too. What is between are guesses that fit this table and no mesh: that a
silent refusal under TLS 1.3 is an ended revocation list, because two of the faults are; that a reset in the handshake
is a name without a filter chain, because no load balancer and no killed process is among the faults; that a word which
one fault's race happened to leave is that fault's. What the text lacks is on the server already, or with the side whose
log it is: see *stored* and *held* ([0570](decisions/0570-text-has-a-bound.md)).
"""
ROWS = """\

## Row by row

Each cell is TLS 1.2 / TLS 1.3: + right, w says who knows, - wrong without being sure, ! falsely sure, blank where that
fault leaves no such record (or not both). From text alone; where what the sides hold makes it another, `>` and that.

| by | fault | cause | both | client | server |
| --- | --- | --- | --- | --- | --- |
"""
TOTALS = """\
| rows | both, text | at most | stored | held | one, text | at most | stored | held | falsely sure |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
# Of which texts and answers were read while weights were set; the rest was only scored.
UNSEEN = {"1.38.3", "1.39.3"}
# Names no reason for any refusal.
WORDLESS = {"1.36.2"}
# Of the project's aims: what is to be named right.
GOAL_OF_BOTH, GOAL_OF_ONE = 0.95, 0.7


def main() -> None:
    records = [one for path in sorted(VECTORS.glob("*.jsonl")) for one in recorded(path.stem)]
    (ROOT / "docs" / "diagnosis-score.md").write_text(page(list(scored(records))))


def page(found: Sequence[Scored]) -> str:
    builds: dict[str, list[Scored]] = defaultdict(list)
    for one in found:
        builds[one.build].append(one)
    return (
        HEAD.format(totals=_totals(found), bound=_bound(found))
        + "".join(_summary(*one) for one in builds.items())
        + ROWS
        + "".join(_rows(*one) for one in builds.items())
    )


def _totals(found: Sequence[Scored]) -> str:
    explained = [one for one in found if one.build not in WORDLESS]
    lines = {
        "all but Envoy 1.36": explained,
        "of these, the builds nobody looked at": [one for one in explained if one.build in UNSEEN],
        "of these, TLS 1.2 of those builds": [one for one in explained if one.build in UNSEEN and one.tls is Tls.V1_2],
        "Envoy 1.36, which names no reason": [one for one in found if one.build in WORDLESS],
    }
    return TOTALS + "".join(_total(*one) for one in lines.items())


def _total(rows: str, found: Sequence[Scored]) -> str:
    cells = [cell for both in (True, False) for cell in _shares([one for one in found if _of_both(one) is both])]
    return f"| {rows} | {' | '.join(cells)} | {sum(one.falsely_sure for one in found)} |\n"


def _shares(found: Sequence[Scored]) -> list[str]:
    text, *others = ([one for one in found if one.given is given] for given in (Given.TEXT, Given.STORED, Given.HELD))
    return [f"{share(text):.1%}", f"{ceiling(text):.1%}", *(f"{share(one):.1%}" if one else "" for one in others)]


def _bound(found: Sequence[Scored]) -> str:
    texts = [one for one in found if one.build not in WORDLESS and one.given is Given.TEXT]
    both, single = ([one for one in texts if _of_both(one) is wanted] for wanted in (True, False))
    below = 100 * (ceiling(single) - share(single))
    if share(both) < ceiling(both) or ceiling(both) >= GOAL_OF_BOTH or ceiling(single) >= GOAL_OF_ONE:
        message = "text alone may do more than the page says"
        raise SystemExit(message)
    return BOUND.format(told_both=told(both), told_one=told(single), below=below, goals=(GOAL_OF_BOTH, GOAL_OF_ONE))


def _of_both(one: Scored) -> bool:
    return one.sides == "both"


def _summary(build: str, found: Sequence[Scored]) -> str:
    rows = []
    for sides in SIDES:
        own = [one for one in found if one.sides == sides]
        given = {given: [one for one in own if one.given is given] for given in Given}
        if not own:
            continue
        sure = sum(one.falsely_sure for one in own)
        most, known = ceiling(given[Given.TEXT]), share(given[Given.TEXT], deferring=True)
        text, stored, held, shown = (f"{share(given[one]):.0%}" if given[one] else "" for one in Given)
        cells = (text, f"{most:.0%}", f"{known:.0%}", stored, held, shown, str(sure))
        rows.append(f"| {build} | {sides} | {' | '.join(cells)} |\n")
    return "".join(rows)


def _rows(build: str, found: Sequence[Scored]) -> str:
    faults: dict[str, list[Scored]] = defaultdict(list)
    for one in found:
        faults[one.fault.name].append(one)
    rows = []
    for name, of in sorted(faults.items()):
        cells = " | ".join(_cell([one for one in of if one.sides == sides]) for sides in SIDES)
        rows.append(f"| {build} | {name} | {cause_for(of[0].fault, build)} | {cells} |\n")
    return "".join(rows)


def _cell(found: Sequence[Scored]) -> str:
    text = {one.tls.value: _mark(one) for one in found if one.given is Given.TEXT}
    held = {one.tls.value: _mark(one) for one in found if one.given is Given.HELD}
    marks = {tls: mark if held[tls] == mark else f"{mark}>{held[tls]}" for tls, mark in text.items()}
    return " / ".join(marks.get(version, " ") for version in ("1.2", "1.3")) if marks else ""


def _mark(one: Scored) -> str:
    if one.right:
        return "+"
    return "!" if one.falsely_sure else "w" if one.deferred else "-"


if __name__ == "__main__":
    main()

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

from tests.kit.fault_records import VECTORS, recorded  # noqa: E402 - the tree is not installed
from tests.kit.fault_score import SIDES, Given, Scored, scored, share  # noqa: E402 - likewise
from tests.kit.faults import cause_for  # noqa: E402 - likewise
from trustplane.handshake.failure import Tls  # noqa: E402 - likewise

HEAD = """\
# How well failed handshakes are diagnosed

<!-- Written by scripts/write_diagnosis_score.py; `make drift` fails when it is out of date. -->

Each fault was injected between two real peers, and what both wrote is kept in
[tests/vectors/handshake](../tests/vectors/handshake/README.md). A diagnosis is *right* if its likeliest cause is the
injected one, and *falsely sure* with a confidence of 0.9 or more in a wrong cause, which must not happen. It was made
from three kinds of evidence:

- *text*: what the logs say, and nothing else. *Or says who knows*: not named, but the answer is that the other side's
  record has the reason, which under TLS 1.3 is all that a refused client can know;
- *held*: and what each side *whose record it is* has itself: its chain, bundle and lists, and of an Envoy the names,
  limits and parameters of its configuration. Nothing of the other side;
- *shown*: and the chain that was refused with what its verifier trusts, whichever side has them.

{totals}
Nobody looked at the builds of the second and third line while weights were set; their texts are much like 1.40's, so
that proves little. What the catalogue knew of gRPC and Java before it had met either is in
[0526](decisions/0526-first-sight-is-kept.md): 95 % and 73 % with both records, 52 % and 43 % with one,
and once falsely sure.

| by | records of | right, from text | or says who knows | held | shown | falsely sure |
| --- | --- | --- | --- | --- | --- | --- |
"""
ROWS = """\

## Row by row

Each cell is TLS 1.2 / TLS 1.3: + right, w says who knows, - wrong without being sure, ! falsely sure, blank where that
fault leaves no such record (or not both). From text alone; where what the sides hold makes it another, `>` and that.

| by | fault | cause | both | client | server |
| --- | --- | --- | --- | --- | --- |
"""
TOTALS = """\
| rows | both, text | both, held | one, text | one, held | falsely sure |
| --- | --- | --- | --- | --- | --- |
"""
# Of which texts and answers were read while weights were set; the rest was only scored.
UNSEEN = {"1.38.3", "1.39.3"}
# Names no reason for any refusal.
WORDLESS = {"1.36.2"}


def main() -> None:
    records = [one for path in sorted(VECTORS.glob("*.jsonl")) for one in recorded(path.stem)]
    (ROOT / "docs" / "diagnosis-score.md").write_text(page(list(scored(records))))


def page(found: Sequence[Scored]) -> str:
    builds: dict[str, list[Scored]] = defaultdict(list)
    for one in found:
        builds[one.build].append(one)
    return (
        HEAD.format(totals=_totals(found))
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
    cells = [
        f"{share(one for one in found if (one.sides == 'both') is both and one.given is given):.1%}"
        for both in (True, False)
        for given in (Given.TEXT, Given.HELD)
    ]
    return f"| {rows} | {' | '.join(cells)} | {sum(one.falsely_sure for one in found)} |\n"


def _summary(build: str, found: Sequence[Scored]) -> str:
    rows = []
    for sides in SIDES:
        own = [one for one in found if one.sides == sides]
        given = {given: [one for one in own if one.given is given] for given in Given}
        if not own:
            continue
        sure = sum(one.falsely_sure for one in own)
        known = share(given[Given.TEXT], deferring=True)
        text, held, shown = (f"{share(given[one]):.0%}" for one in Given)
        rows.append(f"| {build} | {sides} | {text} | {known:.0%} | {held} | {shown} | {sure} |\n")
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

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
from tests.kit.fault_score import SIDES, Scored, scored, share  # noqa: E402 - likewise
from tests.kit.faults import cause_for  # noqa: E402 - likewise

HEAD = """\
# How well failed handshakes are diagnosed

<!-- Written by scripts/write_diagnosis_score.py; `make drift` fails when it is out of date. -->

Each fault was injected between two real peers, and what both wrote is kept in
[tests/vectors/handshake](../tests/vectors/handshake/README.md). *right*: the likeliest cause is the injected one.
*says who knows*: it is not named, but the answer is that the other side's record has the reason. *falsely sure*: a
confidence of 0.9 or more in a wrong cause; it must not happen. *shown*: the chain that was refused and what its
verifier trusts were given too.

| by | records of | right, from text | or says who knows | right, shown | falsely sure |
| --- | --- | --- | --- | --- | --- |
"""
ROWS = """\

## Row by row

From text alone; each cell is TLS 1.2 / TLS 1.3: + right, w says who knows, - wrong without being sure, ! falsely sure,
blank where that fault leaves no such record (or not both).

| by | fault | cause | both | client | server |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    records = [one for path in sorted(VECTORS.glob("*.jsonl")) for one in recorded(path.stem)]
    (ROOT / "docs" / "diagnosis-score.md").write_text(page(list(scored(records))))


def page(found: Sequence[Scored]) -> str:
    builds: dict[str, list[Scored]] = defaultdict(list)
    for one in found:
        builds[one.build].append(one)
    return (
        HEAD + "".join(_summary(*one) for one in builds.items()) + ROWS + "".join(_rows(*one) for one in builds.items())
    )


def _summary(build: str, found: Sequence[Scored]) -> str:
    rows = []
    for sides in SIDES:
        text = [one for one in found if one.sides == sides and not one.shown]
        shown = [one for one in found if one.sides == sides and one.shown]
        sure = sum(one.falsely_sure for one in (*text, *shown))
        if not text:
            continue
        known = share(text, deferring=True)
        rows.append(f"| {build} | {sides} | {share(text):.0%} | {known:.0%} | {share(shown):.0%} | {sure} |\n")
    return "".join(rows)


def _rows(build: str, found: Sequence[Scored]) -> str:
    faults: dict[str, list[Scored]] = defaultdict(list)
    for one in found:
        if not one.shown:
            faults[one.fault.name].append(one)
    rows = []
    for name, of in sorted(faults.items()):
        cells = " | ".join(_cell([one for one in of if one.sides == sides]) for sides in SIDES)
        rows.append(f"| {build} | {name} | {cause_for(of[0].fault, build)} | {cells} |\n")
    return "".join(rows)


def _cell(found: Sequence[Scored]) -> str:
    marks = {one.tls.value: _mark(one) for one in found}
    return " / ".join(marks.get(version, " ") for version in ("1.2", "1.3")) if marks else ""


def _mark(one: Scored) -> str:
    if one.right:
        return "+"
    return "!" if one.falsely_sure else "w" if one.deferred else "-"


if __name__ == "__main__":
    main()

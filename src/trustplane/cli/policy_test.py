"""`trustplane policy test DIR`: the tests of every policy, what they cover, and what they would not notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree as ET

import typer

from trustplane.cli.output import Exit, say, say_json
from trustplane.cli.sockets import AsJson
from trustplane.fault import Refused
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.policy.cases import as_case
from trustplane.policy.examination import Examination
from trustplane.policy.examine_book import Subject, examined
from trustplane.policy.mutants import Mutant
from trustplane.registry.model import DesiredState

EXAMPLES = """\b
Examples:
  trustplane policy test trust/
  trustplane policy test trust/ --min-score 0.9          fail if the tests would miss more than a tenth
  trustplane policy test trust/ --json --junit report.xml
"""
MOST_MISSING = 5

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository.")]
JUnit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report there, too.")]
MinScore = Annotated[
    float, typer.Option("--min-score", min=0, max=1, help="Fail below this share of mistakes that the tests notice.")
]


def command(directory: Directory, *, junit: JUnit = None, min_score: MinScore = 0.0, as_json: AsJson = False) -> None:
    """Run the tests of every policy, guard-rail and template, and try how much they would notice.

    Each rule is changed in the ways people get rules wrong; a mistake that changes no verdict at all is not counted.
    The score is the share of the others that make a test fail. What no test notices is shown as the test missing.
    """
    found = book.read(read_directory(directory))
    tested = dict(examined(found))
    if not tested:
        raise Refused(
            code="policy-without-tests",
            what="no service here has a policy or a policy_test.yaml",
            why="there is nothing to test",
            fix="trustplane policy new SERVICE DIR writes both for a service's callers of today",
        )
    for of, one in tested.items():
        if as_json:
            say_json(_service_shape(of, one, found.state))
        else:
            say("\n".join(_service_lines(of, one, found.state)))
    total = _total(tested)
    if as_json:
        say_json(total)
    else:
        say(_total_line(total))
    if junit is not None:
        junit.write_bytes(_junit(tested))
    if total["failed"] or float(str(total["mutation_score"])) < min_score:
        raise typer.Exit(Exit.FAILED)


def _service_lines(of: Subject, one: Examination, state: DesiredState) -> Iterator[str]:
    killed = one.mutants - len(one.survivors)
    covered = sum(rule.covered for rule in one.covered)
    yield (
        f"{'template ' if of.kind == 'template' else ''}{of.name}: {len(one.outcomes) - len(one.failed)} passed, "
        f"{len(one.failed)} failed; {covered} of {len(one.covered)} rules covered; {killed} of {one.mutants} mistakes "
        "noticed" + (f"; {one.near_misses} near misses agree" if one.near_misses else "")
    )
    for outcome in one.failed:
        yield f"  FAILED {outcome.case.name} at {outcome.case.place}: {outcome.problem}"
    for rule in one.covered:
        if not rule.covered:
            yield f"  not covered: {rule.rule.id} was never tried where it {'does not hold' if rule.held else 'holds'}"
        yield from (f"  not decisive: {rule.rule.id}: no test depends on whether {words}" for words in rule.untried)
    missing: dict[str, list[Mutant]] = {}
    for survivor in one.survivors:
        missing.setdefault(_missing_case(of, survivor, state), []).append(survivor)
    if missing:
        yield f"  {len(one.survivors)} mistakes would not be noticed. What is missing from {of.file}:"
    for case, survivors in list(missing.items())[:MOST_MISSING]:
        yield f"    - {case}"
        yield from (f"        # or else in {one.rule}: {one.mistake}" for one in survivors)
    if len(missing) > MOST_MISSING:
        yield f"    and {len(missing) - MOST_MISSING} more; --json lists all"


def _missing_case(of: Subject, survivor: Mutant, state: DesiredState) -> str:
    case = as_case(state, survivor.shows.request, allowed=not survivor.shows.newly_allowed)
    if of.kind != "guard-rails":
        return case
    because = f", because: {survivor.shows.before}" if survivor.shows.newly_allowed else ""
    return f"{{to: {survivor.rules.service.name}, {case[1:-1]}{because}}}"


def _service_shape(of: Subject, one: Examination, state: DesiredState) -> Mapping[str, object]:
    return {
        of.kind: of.name,
        "cases": [
            {"name": each.case.name, "place": str(each.case.place), "passed": not each.problem, "problem": each.problem}
            for each in one.outcomes
        ],
        "rules": [
            {"rule": each.rule.id, "covered": each.covered, "not_decisive": list(each.untried)} for each in one.covered
        ],
        "survivors": [
            {"rule": each.rule, "mistake": each.mistake, "missing": _missing_case(of, each, state)}
            for each in one.survivors
        ],
        "near_misses": one.near_misses,
    }


def _total(tested: Mapping[Subject, Examination]) -> dict[str, object]:
    every = list(tested.values())
    rules = [rule for one in every for rule in one.covered]
    mutants = sum(one.mutants for one in every)
    survivors = sum(len(one.survivors) for one in every)
    return {
        "passed": sum(len(one.outcomes) - len(one.failed) for one in every),
        "failed": sum(len(one.failed) for one in every),
        "rules": len(rules),
        "rules_covered": _share(sum(rule.covered for rule in rules), len(rules)),
        "mutants": mutants,
        "mutation_score": _share(mutants - survivors, mutants),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 1.0


def _total_line(total: Mapping[str, object]) -> str:
    return (
        f"{total['passed']} passed, {total['failed']} failed; rules covered {float(str(total['rules_covered'])):.0%}; "
        f"mutation score {float(str(total['mutation_score'])):.0%} of {total['mutants']}"
    )


def _junit(tested: Mapping[Subject, Examination]) -> bytes:
    root = ET.Element("testsuites")
    for of, one in tested.items():
        suite = ET.SubElement(
            root, "testsuite", name=of.name, tests=str(len(one.outcomes)), failures=str(len(one.failed))
        )
        for outcome in one.outcomes:
            place = outcome.case.place
            case = ET.SubElement(
                suite, "testcase", classname=of.name, name=outcome.case.name, file=place.file, line=str(place.line)
            )
            if outcome.problem:
                ET.SubElement(case, "failure", message=outcome.problem)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written

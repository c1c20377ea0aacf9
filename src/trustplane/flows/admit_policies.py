"""A trust repository's files as the desired state of now: policies proved and tested before they count.

What a proxy would be sent is read back and compared with each policy, and every case of every policy_test.yaml is run.
One that fails refuses the whole repository: nothing of a change is pushed if a part of it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from trustplane.policy import book
from trustplane.policy.book import Book
from trustplane.policy.cases import CaseFile
from trustplane.policy.examination import failures
from trustplane.policy.rules import probes_of
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState
from trustplane.registry.repository import NOTHING_KNOWN
from trustplane.spiffe.ids import TrustDomain
from trustplane.xds.rbac_proof import proved


def admitted(files: Mapping[str, bytes]) -> DesiredState:
    """A revision that was applied before, which has been proved and tested."""
    return book.read(files).state


def admitted_at(
    files: Mapping[str, bytes], at: datetime, known_roots: Mapping[TrustDomain, frozenset[str]] = NOTHING_KNOWN
) -> DesiredState:
    """A change that is made at that instant by who knows these roots of other trust domains."""
    found = book.read_at(files, at, known_roots)
    for policy in found.written.values():
        proved(policy.rules, probes_of(found.state, policy.rules.service))
    _check_tests(found)
    return found.state


def _check_tests(found: Book) -> None:
    findings = Findings()
    for name, tree in found.tests.items():
        cases = CaseFile(found.state, found.state.services[name], findings).cases(tree)
        for failure in failures(found.state, found.policy_of(name), cases):
            findings.add(
                code="policy-test-failed",
                what=f"{failure.case.name}: {failure.problem}",
                why=f"the tests of {name} say what its policy is meant to do",
                fix="mend the policy, or the case if it says what is no longer meant",
                place=failure.case.place,
            )
    findings.refuse_if_any()

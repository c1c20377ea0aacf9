"""A trust repository's files as the desired state of now: policies proved and tested before they count.

What a proxy would be sent is read back and compared with each policy, and every case of every policy_test.yaml, of the
guard-rails and of the repository's own templates is run.
One that fails refuses the whole repository: nothing of a change is pushed if a part of it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from trustplane.audit.events import Plain
from trustplane.policy import book, record
from trustplane.policy.book import Book, Policy
from trustplane.policy.cases import CaseFile
from trustplane.policy.examination import Outcome, failures
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
    for policy in found.enforced.values():
        proved(policy.rules, probes_of(found.state, policy.rules.service))
    _check_tests(found)
    return found.state


def recorded(files: Mapping[str, bytes]) -> Mapping[str, Plain]:
    """What the audit log says of the policies of a revision before it is applied."""
    return record.plain(record.records(book.read(files)))


def _check_tests(found: Book) -> None:
    findings = Findings()
    for name, tree in found.tests.items():
        cases = CaseFile(found.state, found.state.services[name], findings).cases(tree)
        _tell(failures(found.state, found.policy_of(name), cases), f"policy of {name}", findings)
    for name, cases in found.guard_cases.items():
        _tell(failures(found.state, found.policy_of(name), cases), "guard-rails", findings)
    for test in found.template_tests:
        cases = CaseFile(found.state, test.rules.service, findings).listed(test.cases)
        _tell(failures(found.state, Policy(test.rules, test.cedar), cases), f"template {test.template}", findings)
    findings.refuse_if_any()


def _tell(failed: Iterable[Outcome], what: str, findings: Findings) -> None:
    for one in failed:
        findings.add(
            code="policy-test-failed",
            what=f"{one.case.name}: {one.problem}",
            why=f"the tests of the {what} say what is meant",
            fix="mend the rules, or the case if it says what is no longer meant",
            place=one.case.place,
        )

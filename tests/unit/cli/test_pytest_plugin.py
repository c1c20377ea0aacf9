"""A trust repository's tests as pytest's, run by a pytest within this one."""

from __future__ import annotations

import pytest

from tests.kit.policies import FILES, FOLDER

pytest_plugins = ["pytester"]
POLICY = "use: caller-may-call@1\ncallers: [shop/web]\noperations: [charge]\n"
CASES = """\
cases:
  - {as: shop/web, operation: charge, expect: allow}
  - {name: nobody else, as: shop/checkout, operation: charge, expect: deny}
"""


def lay(pytester: pytest.Pytester, cases: str = CASES, **others: str) -> None:
    files = {**FILES, FOLDER + "policy.yaml": POLICY, FOLDER + "policy_test.yaml": cases, **others}
    for path, text in files.items():
        place = pytester.path / "trust" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    plugins = ("-p", "no:trustplane", "-p", "trustplane.cli.pytest_plugin", "-p", "no:cacheprovider")
    return pytester.runpytest_inprocess(*plugins, *words)


def test_each_case_is_a_test_with_its_name(pytester: pytest.Pytester) -> None:
    lay(pytester)
    result = run(pytester, "-v", "trust")
    assert result.parseoutcomes() == {"passed": 2}
    result.stdout.fnmatch_lines(["*policy_test.yaml::allow web POST /charge PASSED*", "*::nobody else PASSED*"])


def test_a_failure_says_what_was_asked_and_why_it_was_decided_so(pytester: pytest.Pytester) -> None:
    lay(pytester, CASES.replace("deny", "allow"))
    result = run(pytester, "trust")
    assert result.parseoutcomes() == {"passed": 1, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            "shop/payments: nobody else",
            "  expected: allow",
            "  but:      it is denied by no rule; caller-may-call.shop/web (shop/web) would, if the caller were *",
            f"  at:       {FOLDER}policy_test.yaml:3:5",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_guard_rails_and_templates_are_collected_too(pytester: pytest.Pytester) -> None:
    lay(
        pytester,
        **{
            "guardrails.cedar": '@id("no-web") @owner("x") forbid (principal == Service::"shop/web", '
            'action == Action::"refund", resource);',
            "guardrails_test.yaml": "cases: [{to: shop/payments, as: shop/web, operation: refund, expect: deny, "
            "because: no-web}]",
            "templates/x@1.cedar": "permit (principal == $callers, action, resource);",
            "templates/x@1.yaml": "{owners: [x], summary: x, parameters: {callers: services}, tests: [{for: "
            "shop/payments, with: {callers: [shop/web]}, cases: [{as: shop/web, operation: charge, expect: allow}]}]}",
        },
    )
    assert run(pytester, "trust").parseoutcomes() == {"passed": 4}
    assert run(pytester, "trust/guardrails_test.yaml").parseoutcomes() == {"passed": 1}


def test_what_is_wrong_with_the_repository_fails_the_collection(pytester: pytest.Pytester) -> None:
    lay(pytester, **{FOLDER + "policy.yaml": POLICY.replace("charge", "chrge")})
    result = run(pytester, "trust")
    assert result.parseoutcomes() == {"errors": 1}
    result.stdout.fnmatch_lines(["error?policy-unknown-operation? at services/shop/payments/policy.yaml:3:14: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_without_a_trust_repository_nothing_is_collected(pytester: pytest.Pytester) -> None:
    place = pytester.path / "other" / "policy_test.yaml"
    place.parent.mkdir()
    place.write_text(CASES)
    assert run(pytester, "other").ret == pytest.ExitCode.NO_TESTS_COLLECTED

"""What `trustplane policy` writes: formatted policies, findings with spans, a JUnit report."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer

from tests.kit.policies import FILES, FOLDER
from trustplane.cli import policy, policy_test
from trustplane.cli.output import Exit

UGLY = '// Kept.\n@id("a") permit(principal==Service::"shop/web",action==Action::"charge",resource);\n'
CASES = """\
cases:
  - {as: shop/web, operation: charge, expect: allow}
  - {as: shop/web, operation: refund, expect: allow}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for path, text in {**FILES, FOLDER + "policy.cedar": UGLY}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_fmt_brings_policies_into_cedars_layout_once_and_keeps_comments(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        policy.fmt(repository, check=True)
    assert ended.value.exit_code == Exit.FAILED
    assert (repository / FOLDER / "policy.cedar").read_text() == UGLY
    policy.fmt(repository)
    formatted = (repository / FOLDER / "policy.cedar").read_text()
    assert formatted.startswith('// Kept.\n@id("a")\npermit (\n  principal == Service::"shop/web",\n')
    capsys.readouterr()
    policy.fmt(repository, check=True)
    assert capsys.readouterr().out == "nothing to change\n"


def test_findings_have_spans_that_an_editor_can_underline(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / FOLDER / "policy.cedar").write_text(UGLY.replace("shop/web", "shop/wep"))
    with pytest.raises(typer.Exit):
        policy.check(repository, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    line = UGLY.replace("shop/web", "shop/wep").splitlines()[found["line"] - 1]
    assert line[found["column"] - 1 : found["end_column"] - 1] == '"shop/wep"'
    assert found["code"] == "policy-unknown-name"


def test_a_junit_report_names_what_failed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / FOLDER / "policy_test.yaml").write_text(CASES)
    report = repository / "report.xml"
    with pytest.raises(typer.Exit) as ended:
        policy_test.command(repository, junit=report, as_json=True)
    assert ended.value.exit_code == Exit.FAILED
    (suite,) = ET.parse(report).getroot()  # noqa: S314 - written a line above
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("shop/payments", "2", "1")
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["passed"], last["failed"]) == (1, 1)
    assert last["rules_covered"] == 1.0
    assert 0 < last["mutation_score"] < 1


def test_a_score_below_what_is_asked_for_fails(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / FOLDER / "policy_test.yaml").write_text(
        CASES.replace("refund, expect: allow", "refund, expect: deny")
    )
    policy_test.command(repository, min_score=0.1)
    with pytest.raises(typer.Exit):
        policy_test.command(repository, min_score=1.0)
    assert "What is missing from services/shop/payments/policy_test.yaml" in capsys.readouterr().out

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

NO_SERVER = Path("/nonexistent/server.sock")
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
        policy.check(repository, NO_SERVER, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    line = UGLY.replace("shop/web", "shop/wep").splitlines()[found["line"] - 1]
    assert line[found["column"] - 1 : found["end_column"] - 1] == '"shop/wep"'
    assert found["code"] == "policy-unknown-name"


HOSTILE = {
    "nothing": ("policy.cedar", b""),
    "not-text": ("policy.cedar", b"\xff\xfe"),
    "too-large": ("policy.cedar", b"/" * (300 << 10)),
    "an-open-string": ("policy.cedar", b'@id("a'),
    "no-end": ("policy.cedar", b'@id("a") permit (principal'),
    "not-valid": (
        "policy.cedar",
        b'@id("a") permit (principal is Service, action, resource) when { context.headers["x-a"].contains("b") };',
    ),
    "no-effect": (
        "policy.cedar",
        b'@id("a") permit (principal is Service, action == Action::"charge", resource) when { context.path == "/x" };',
    ),
    "twice": ("policy.cedar", 2 * b'@id("a") permit (principal is Service, action, resource);'),
    "no-template": ("policy.yaml", b"use: nothing@1"),
    "no-caller": ("policy.yaml", b"use: caller-may-call@1\ncallers: [shop/wep]\noperations: [charge]"),
    "not-yaml": ("policy.yaml", b"a: [b\n"),
    "wide-letters": (
        "policy.yaml",
        "use: caller-may-call@1\ncallers: [\u00e9\u00e9, \u4e16]\noperations: [x]".encode(),
    ),
    "no-case": ("policy_test.yaml", b"cases: [{as: shop/web}]"),
    "a-tab": ("policy_test.yaml", b"cases:\n\t- a"),
}


@pytest.mark.parametrize("hostile", sorted(HOSTILE))
def test_every_finding_has_a_span_within_its_file(
    repository: Path, capsys: pytest.CaptureFixture[str], hostile: str
) -> None:
    file, content = HOSTILE[hostile]
    (repository / FOLDER / "policy.cedar").unlink()
    (repository / FOLDER / file).write_bytes(content)
    if hostile == "nothing":
        policy.check(repository, NO_SERVER, as_json=True)
        assert json.loads(capsys.readouterr().out) == {"findings": []}
        return
    with pytest.raises(typer.Exit):
        policy.check(repository, NO_SERVER, as_json=True)
    found = json.loads(capsys.readouterr().out)["findings"]
    assert found
    for one in found:
        assert one["file"] == FOLDER + file
        lines = content[: 300 << 10].decode("utf-8", "replace").split("\n")
        line = lines[one["line"] - 1]
        assert 1 <= one["column"] <= one["end_column"] <= len(line) + 1, one


def test_a_repository_that_is_none_has_spans_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        policy.check(tmp_path, NO_SERVER, as_json=True)
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {(one["line"], one["column"]) for one in found} == {(1, 1)}


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

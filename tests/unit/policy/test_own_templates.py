"""Templates of a trust repository: by the rules of the shipped ones, with places, and never edited once applied."""

from __future__ import annotations

import pytest

from tests.kit.policies import CHECKOUT, FOLDER, PAYMENTS, WEB, policy_book, request
from trustplane.fault import Finding, Refused
from trustplane.policy.book import Book
from trustplane.policy.examine_book import examined
from trustplane.policy.own_templates import check_kept

YAML = """\
owners: [shop-team]
summary: each of these services may use these operations with the header x-team
parameters: {callers: services, operations: operations, team: text}
tests:
  - for: shop/payments
    with: {callers: [shop/checkout], operations: [charge], team: blue}
    cases:
      - {as: shop/checkout, request: POST /charge, headers: {x-team: blue}, expect: allow}
      - {as: shop/checkout, request: POST /charge, expect: deny}
"""
CEDAR = """\
permit (
  principal == $callers,
  action in $operations,
  resource
)
when { context.headers has "x-team" && context.headers["x-team"].contains($team) };
"""
USE = "use: team-call@1\ncallers: [shop/web]\noperations: [charge]\nteam: red\n"


def own(yaml: str = YAML, cedar: str = CEDAR, name: str = "team-call@1", use: str = "") -> Book:
    return policy_book(yaml=use, **{f"templates/{name}.yaml": yaml, f"templates/{name}.cedar": cedar})


def refused(yaml: str = YAML, cedar: str = CEDAR, name: str = "team-call@1", use: str = "") -> list[Finding]:
    with pytest.raises(Refused) as refusal:
        own(yaml, cedar, name, use)
    return list(refusal.value.findings)


def test_a_use_of_an_own_template_is_a_policy() -> None:
    found = own(use=USE).policy_of(PAYMENTS)
    assert [one.id for one in found.rules.rules] == ["team-call.shop/web"]
    assert found.rules.decide(request(WEB, "POST", "/charge", ("x-team", "red"))).allowed
    assert not found.rules.decide(request(WEB, "POST", "/charge", ("x-team", "blue"))).allowed
    assert not found.rules.decide(request(CHECKOUT, "POST", "/charge", ("x-team", "red"))).allowed


def test_versions_stand_beside_each_other() -> None:
    second = {"templates/team-call@2.yaml": YAML, "templates/team-call@2.cedar": CEDAR}
    found = policy_book(
        yaml=USE, **{"templates/team-call@1.yaml": YAML, "templates/team-call@1.cedar": CEDAR}, **second
    )
    assert sorted(found.templates) == ["team-call@1", "team-call@2"]
    (finding,) = refused(use=USE.replace("@1", "@3"))
    assert finding.code == "policy-unknown-template"


def test_its_tests_are_examined_as_those_of_a_policy() -> None:
    found = {of.name: one for of, one in examined(own(use=USE)) if of.kind == "template"}
    assert list(found) == ["team-call@1"]
    assert len(found["team-call@1"].outcomes) == 2
    assert not found["team-call@1"].failed
    assert found["team-call@1"].survivors


@pytest.mark.parametrize(
    ("yaml", "cedar", "code", "place"),
    [
        (YAML[: YAML.index("tests:")], CEDAR, "missing-key", "yaml:1:1"),
        (YAML[: YAML.index("tests:")] + "tests: []\n", CEDAR, "template-incomplete", "yaml:4:8"),
        (YAML.replace("[shop-team]", "[]"), CEDAR, "template-incomplete", "yaml:1:9"),
        (YAML.replace("team: text", "team: words"), CEDAR, "unknown-value", "yaml:3:63"),
        (YAML.replace("team: text", "team: text, other: text"), CEDAR, "template-parameters", "cedar:1:1"),
        (YAML.replace("team: text", "team: peers"), CEDAR, "template-parameters", "yaml:3:13"),
        (
            YAML.replace("{callers: services,", "{id: text, callers: services,"),
            CEDAR,
            "template-parameters",
            "yaml:3:14",
        ),
        (YAML, CEDAR.replace("$team", "$tean"), "template-parameters", "cedar:6:75"),
        (YAML, CEDAR.replace("$team", '"a $team"'), "template-parameters", "cedar:6:78"),
        (YAML, CEDAR.replace("resource", "resource // $team"), "template-parameters", "cedar:4:15"),
        (YAML, CEDAR.replace("$team", "$teamX"), "bad-cedar", "cedar:6:81"),
        (YAML, '@id("x")\n' + CEDAR, "template-one-policy", "cedar:1:1"),
        (YAML, CEDAR + CEDAR, "template-one-policy", "cedar:1:1"),
        (YAML, CEDAR.rstrip().rstrip(";"), "template-one-policy", "cedar:1:1"),
        (YAML, CEDAR.replace('"x-team" &&', '"x-team" || '), "policy-not-valid", "cedar:6:28"),
        (YAML, CEDAR.replace("resource\n", 'resource == Service::"shop/web"\n'), "policy-wrong-place", "cedar:1:1"),
        (YAML.replace("[charge]", "[chargee]"), CEDAR, "policy-unknown-operation", "yaml:6:51"),
        (YAML.replace("for: shop/payments", "for: shop/nobody"), CEDAR, "unknown-service", "yaml:5:10"),
    ],
)
def test_what_is_wrong_with_one_has_its_place(yaml: str, cedar: str, code: str, place: str) -> None:
    found = [(one.code, str(one.place)) for one in refused(yaml, cedar)]
    assert (code, f"templates/team-call@1.{place}") in found, found


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("team-call", "template-bad-name"),
        ("team-call@01", "template-bad-name"),
        ("team-call@0", "template-bad-name"),
        ("Team@1", "template-bad-name"),
        ("read-only@2", "template-is-shipped"),
    ],
)
def test_a_name_says_which_template_and_which_version(name: str, code: str) -> None:
    assert {one.code for one in refused(name=name)} == {code}


def test_half_a_template_is_none() -> None:
    with pytest.raises(Refused, match="template-incomplete"):
        policy_book(**{"templates/team-call@1.cedar": CEDAR})


def test_a_value_cannot_become_cedar() -> None:
    use = USE.replace("team: red", "team: '\") || (\"a'")
    rules = own(use=use).policy_of(PAYMENTS).rules
    assert not rules.decide(request(WEB, "POST", "/charge", ("x-team", "a"))).allowed
    assert not rules.decide(request(WEB, "POST", "/charge")).allowed


def test_what_an_applied_version_says_cannot_be_changed() -> None:
    before = {"templates/a@1.cedar": CEDAR, "templates/a@1.yaml": YAML, FOLDER + "policy.yaml": USE}
    same = {path: text.encode() for path, text in before.items()}
    check_kept(before, same)
    check_kept(before, {**same, "templates/a@1.yaml": YAML.replace("[shop-team]", "[other]").encode()})
    check_kept(before, {})
    for path, text in (("a@1.cedar", CEDAR.replace("&&", "||")), ("a@1.yaml", YAML.replace("services", "peers"))):
        with pytest.raises(Refused) as refusal:
            check_kept(before, {**same, f"templates/{path}": text.encode()})
        assert refusal.value.code == "template-edited"
        assert "write version 2 beside it" in refusal.value.finding.fix

from __future__ import annotations

import pytest

from tests.kit.repository import admitted, findings, only, repository


def two(one: str, other: str, nodes: tuple[str, str] = ("", "")) -> dict[str, bytes]:
    def service(selectors: str, on: str) -> str:
        return f"selectors: [{selectors}]\n" + (f"nodes: [{on}]\n" if on else "")

    return repository(shop__web=None, shop__payments=service(one, nodes[0]), shop__query=service(other, nodes[1]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unix:uid:1", "unix:uid:1"),
        ("unix:uid:1", "unix:uid:1, unix:path:/a"),
        ("unix:uid:1, unix:path:/a", "unix:uid:1"),
        ("unix:uid:1", "unix:path:/a"),
        ("unix:uid:1, unix:gid:1", "unix:uid:1, unix:path:/a"),
        ("unix:uid:1", "unix:user:payments"),
        ("unix:supplementary_gid:1", "unix:supplementary_gid:2"),
        ("unix:uid:1, unix:supplementary_gid:1", "unix:uid:1, unix:supplementary_gid:2"),
    ],
)
def test_two_entries_that_one_process_can_show_are_refused(one: str, other: str) -> None:
    finding = only(two(one, other))
    assert (finding.code, str(finding.place)) == ("ambiguous-selectors", "services/shop/query/service.yaml:1:1")
    assert "shop/payments" in finding.what
    assert "shop/query" in finding.what


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unix:uid:1", "unix:uid:2"),
        ("unix:uid:1, unix:path:/a", "unix:uid:1, unix:path:/b"),
        ("unix:uid:1, unix:gid:3", "unix:uid:2, unix:path:/a"),
        ("systemd:unit:a.service", "systemd:unit:b.service, unix:uid:1"),
    ],
)
def test_a_fact_with_two_values_tells_entries_apart(one: str, other: str) -> None:
    assert admitted(two(one, other)) == {"shop/payments", "shop/query"}


def test_why_a_subset_is_ambiguous_is_said_precisely() -> None:
    finding = only(two("unix:uid:1, unix:path:/a", "unix:uid:1"))
    assert "every process that shows the selectors of shop/payments also shows those of shop/query" in finding.why


@pytest.mark.parametrize(
    ("nodes", "refused"),
    [(("a", "b"), False), (("a, b", "c"), False), (("a", "a, b"), True), (("a", ""), True), (("", ""), True)],
)
def test_only_entries_that_share_a_node_matter_to_each_other(nodes: tuple[str, str], *, refused: bool) -> None:
    files = two("unix:uid:1", "unix:uid:1", nodes)
    if refused:
        assert only(files).code == "ambiguous-selectors"
    else:
        assert admitted(files) == {"shop/payments", "shop/query"}


def test_every_ambiguous_pair_is_found() -> None:
    files = repository(
        shop__web=None,
        shop__payments="selectors: [unix:uid:1]",
        shop__query="selectors: [unix:path:/b]",
        shop__till="selectors: [unix:uid:1]",
    )
    assert [finding.code for finding in findings(files)] == ["ambiguous-selectors"] * 3


def test_no_selectors_match_everything_and_are_refused() -> None:
    assert only(repository(shop__web="selectors: []")).code == "no-selectors"
    assert only(repository(shop__web="hint: x")).code == "missing-key"


def test_selectors_no_process_can_show_together_are_refused() -> None:
    assert only(repository(shop__web="selectors: [unix:uid:1, unix:uid:2]")).code == "impossible-selectors"


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ("unix:uid:root", "bad-selector"),
        ("unix:uid:01", "bad-selector"),
        ("unix:uid:-1", "bad-selector"),
        ("unix:uid:4294967295", "bad-selector"),
        ("unix:gid:99999999999", "bad-selector"),
        ("unix:path:usr/bin/a", "bad-selector"),
        ("unix:path:/usr/../bin/a", "bad-selector"),
        ("unix:path:/usr//bin", "bad-selector"),
        ("unix:path:/usr/bin/", "bad-selector"),
        ("unix:path:/usr/bin/..", "bad-selector"),
        ("unix:sha256:" + "A" * 64, "bad-selector"),
        ("unix:sha256:" + "a" * 63, "bad-selector"),
        ("unix:user:a b", "bad-selector"),
        ("systemd:unit:payments", "bad-selector"),
        ("cgroup:path:payments", "bad-selector"),
        ("unix:uid", "bad-selector"),
        ("unix:uuid:1", "unknown-selector"),
        ("k8s:pod:x", "unknown-selector"),
    ],
)
def test_a_selector_nobody_can_show_is_refused(selector: str, code: str) -> None:
    finding = only(repository(shop__web=f"selectors: ['{selector}']"))
    assert (finding.code, str(finding.place)) == (code, "services/shop/web/service.yaml:1:13")


@pytest.mark.parametrize(
    "selector",
    [
        "unix:uid:0",
        "unix:uid:4294967294",
        "unix:gid:1000",
        "unix:supplementary_gid:27",
        "unix:user:svc-pay_1",
        "unix:group:Domain.Users",
        "unix:path:/usr/bin/..payments",
        "unix:path:/opt/my app/run:er",
        "unix:sha256:" + "0a" * 32,
        "systemd:unit:payments@1.service",
        "cgroup:path:/system.slice/payments.service",
    ],
)
def test_a_selector_of_each_kind_is_accepted(selector: str) -> None:
    assert admitted(repository(shop__web=f"selectors: ['{selector}']", shop__payments=None)) == {"shop/web"}

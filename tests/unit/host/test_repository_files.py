from __future__ import annotations

import os
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import admitted
from trustplane.host.repository_files import read_directory
from trustplane.registry import layout
from trustplane.registry.repository import read
from trustplane.registry.yaml_tree import MAX_BYTES

SHOP = Path(__file__).parents[3] / "examples" / "shop" / "trust"


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    root = tmp_path / "trust"
    (root / "services" / "shop" / "web").mkdir(parents=True)
    (root / "trustdomain.yaml").write_text("trust_domain: acme.example\n")
    (root / "namespaces.yaml").write_text("shop: {owners: [shop-team]}\n")
    (root / "services" / "shop" / "web" / "service.yaml").write_text("selectors: [unix:uid:1]\n")
    return root


def refusal(directory: Path) -> Refused:
    with pytest.raises(Refused) as refused:
        read_directory(directory)
    return refused.value


def test_known_files_come_with_their_content(trust: Path) -> None:
    assert read_directory(trust) == {
        "namespaces.yaml": b"shop: {owners: [shop-team]}\n",
        "services/shop/web/service.yaml": b"selectors: [unix:uid:1]\n",
        "trustdomain.yaml": b"trust_domain: acme.example\n",
    }


def test_the_shop_example_is_read_and_admitted() -> None:
    assert len(admitted(read_directory(SHOP)).services) == 5


def test_what_belongs_to_people_is_not_opened(trust: Path) -> None:
    (trust / ".git").mkdir()
    os.mkfifo(trust / ".git" / "pipe")
    (trust / "README.md").symlink_to("/nowhere")
    (trust / "services" / ".service.yaml.swp").write_bytes(b"\xff")
    assert len(read_directory(trust)) == 3


def test_unknown_files_are_listed_but_not_opened_and_named_with_everything_else(trust: Path) -> None:
    os.mkfifo(trust / "pipe.yaml")
    (trust / "services" / "shop" / "web" / "service.yaml").write_text("selector: []\n")
    files = read_directory(trust)
    assert files["pipe.yaml"] == b""
    with pytest.raises(Refused) as refused:
        read(files)
    assert [finding.code for finding in refused.value.findings] == ["unknown-file", "unknown-key", "missing-key"]


def test_a_link_out_of_the_directory_is_refused(trust: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key: 1")
    (trust / "profiles").mkdir()
    (trust / "profiles" / "standard.yaml").symlink_to(tmp_path / "secret")
    found = refusal(trust)
    assert (found.code, str(found.finding.place)) == ("link-leaves-repository", "profiles/standard.yaml:1:1")


def test_a_link_within_the_directory_is_followed_as_in_mounted_configuration(trust: Path) -> None:
    (trust / "..data").mkdir()
    (trust / "namespaces.yaml").rename(trust / "..data" / "namespaces.yaml")
    (trust / "namespaces.yaml").symlink_to("..data/namespaces.yaml")
    assert read_directory(trust)["namespaces.yaml"] == b"shop: {owners: [shop-team]}\n"
    assert len(read_directory(trust)) == 3


def test_a_linked_folder_is_not_entered(trust: Path, tmp_path: Path) -> None:
    outside = tmp_path / "profiles"
    outside.mkdir()
    (outside / "standard.yaml").write_text("lifetime: 1m")
    (trust / "profiles").symlink_to(outside)
    files = read_directory(trust)
    assert files["profiles"] == b""
    assert "profiles/standard.yaml" not in files


def test_everything_hostile_is_named_at_once(trust: Path) -> None:
    (trust / "profiles").mkdir()
    os.mkfifo(trust / "profiles" / "pipe.yaml")
    (trust / "profiles" / "folder.yaml").mkdir()
    (trust / "profiles" / "loop.yaml").symlink_to("loop.yaml")
    (trust / "profiles" / "null.yaml").symlink_to("/dev/null")
    found = refusal(trust)
    assert [(finding.code, str(finding.place)) for finding in found.findings] == [
        ("unreadable-file", "profiles/loop.yaml:1:1"),
        ("link-leaves-repository", "profiles/null.yaml:1:1"),
        ("not-a-file", "profiles/pipe.yaml:1:1"),
    ]


def test_a_huge_file_is_cut_and_then_refused_by_size(trust: Path) -> None:
    with (trust / "namespaces.yaml").open("wb") as file:
        file.truncate(100 * MAX_BYTES)
    files = read_directory(trust)
    assert len(files["namespaces.yaml"]) == MAX_BYTES + 1
    with pytest.raises(Refused) as refused:
        read(files)
    assert refused.value.code == "file-too-large"


def test_a_deep_tree_is_not_descended_for_ever(trust: Path) -> None:
    deep = trust
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
    assert refusal(trust).code == "unknown-file"


def test_the_number_of_files_is_bounded(trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_FILES", 2)
    assert refusal(trust).code == "repository-too-large"


def test_the_sum_of_sizes_is_bounded(trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_TOTAL_BYTES", 60)
    assert refusal(trust).code == "repository-too-large"


@pytest.mark.parametrize(("name", "code"), [("missing", "unreadable-file"), ("namespaces.yaml", "not-a-directory")])
def test_what_is_no_directory_is_refused(trust: Path, name: str, code: str) -> None:
    assert refusal(trust / name).code == code


def test_a_name_that_is_no_text_is_shown_escaped(trust: Path) -> None:
    (trust / os.fsdecode(b"\xff\x1b[31m.yaml")).write_text("")
    with pytest.raises(Refused) as refused:
        read(read_directory(trust))
    assert refused.value.code == "unknown-file"
    assert str(refused.value).replace("\n", "").isprintable()

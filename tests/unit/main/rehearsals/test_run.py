"""What is rehearsed, against which candidate, and that people can read of every rehearsal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.tree import ROOT
from trustplane.fault import Refused
from trustplane.main.rehearsals import run as rehearse
from trustplane.main.rehearsals.mesh import Shape
from trustplane.main.rehearsals.pair import Candidate, readable
from trustplane.main.rehearsals.processes import Site
from trustplane.main.rehearsals.repository import files
from trustplane.main.rehearsals.run import Options
from trustplane.registry import repository

LATE = "version: 7\nkey: p384\nlifetime: 2h\nbackdate: 5s\nrenew: 60%-90%\n"


def on_trial(trust: Path | None = None, profile: str | None = None) -> Candidate:
    options = Options(trust=trust, profile=profile)
    return rehearse.candidate(options, rehearse.state_on_trial(options))


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "late.yaml").write_text(LATE)
    (tmp_path / "trustdomain.yaml").write_text("trust_domain: acme.example\n")
    (tmp_path / "namespaces.yaml").write_text("shop: {owners: [shop-team]}\n")
    return tmp_path


def test_without_a_repository_the_shipped_one_is_on_trial() -> None:
    assert str(on_trial().trust_domain) == "shop.example"


def test_of_a_repository_the_named_profile_is_on_trial(trust: Path) -> None:
    found = on_trial(trust, "late")
    assert (str(found.trust_domain), found.profile.name, found.profile.version) == ("acme.example", "late", 7)


def test_a_profile_that_is_not_there_is_refused(trust: Path) -> None:
    with pytest.raises(Refused) as refused:
        on_trial(trust, "gone")
    assert refused.value.code == "unknown-profile"


def test_a_name_that_is_nearly_right_is_refused_with_the_right_one() -> None:
    with pytest.raises(Refused) as refused:
        Options(names=("wrong-sna",))
    assert "wrong-san" in refused.value.finding.why


def test_the_throw_away_mesh_takes_over_all_of_the_candidates_profile_but_its_lifetime(trust: Path) -> None:
    candidate = on_trial(trust, "late")
    nodes = dict.fromkeys(("web", "pay", "ledger", "reports"), "node-0")
    text = files(candidate, timedelta(seconds=80), {name: trust / name for name in nodes}, nodes)
    state = repository.read({path: content.encode() for path, content in text.items()})
    found = state.profiles["standard"]
    wanted = candidate.profile
    assert (found.key, found.backdate, found.renew) == (wanted.key, wanted.backdate, wanted.renew)
    assert found.lifetime == timedelta(seconds=80)


@pytest.mark.parametrize(("profile", "seconds"), [("standard", 60), ("late", 150)])
def test_a_window_that_closes_late_is_given_longer_leaves(trust: Path, profile: str, seconds: int) -> None:
    site = Site(trust, trust, on_trial(trust, profile))
    assert site.life(timedelta(seconds=15)) == timedelta(seconds=seconds)


def test_no_leaf_is_shorter_than_leaves_may_be(trust: Path) -> None:
    assert Shape(Site(trust, trust, on_trial()).life(timedelta(0))).lifetime == timedelta(seconds=20)


def test_envoys_reasons_are_shown_without_what_all_of_them_share() -> None:
    reason = (
        "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:TLS_error_end"
    )
    assert readable(reason) == "CERTIFICATE_VERIFY_FAILED:verify cert failed"


def test_the_journey_names_every_rehearsal_once() -> None:
    page = (ROOT / "docs" / "journeys" / "rehearsal.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")][1:]
    assert [one for one in rows if not one.startswith("-")] == list(rehearse.NAMES)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.attest.evidence import Evidence
from trustplane.fault import Refused


def shown(evidence: Evidence) -> set[str]:
    return {str(one) for one in evidence.selectors()}


def test_each_fact_becomes_one_selector() -> None:
    evidence = Evidence(
        uid=1001,
        gid=100,
        supplementary_gids=frozenset({27, 100}),
        user="web",
        group="users",
        executable="/usr/bin/web",
        executable_sha256="ab" * 32,
        cgroup="/system.slice/web.service",
        systemd_unit="web.service",
    )
    assert shown(evidence) == {
        "unix:uid:1001",
        "unix:gid:100",
        "unix:supplementary_gid:27",
        "unix:supplementary_gid:100",
        "unix:user:web",
        "unix:group:users",
        "unix:path:/usr/bin/web",
        f"unix:sha256:{'ab' * 32}",
        "cgroup:path:/system.slice/web.service",
        "systemd:unit:web.service",
    }


def test_what_could_not_be_read_is_absent() -> None:
    assert shown(Evidence(uid=0, gid=0)) == {"unix:uid:0", "unix:gid:0"}


@pytest.mark.parametrize("path", ["/usr/bin/web\n", "/bin/\x00", "", "/" + "x" * 1024])
def test_a_fact_that_no_selector_can_say_is_absent(path: str) -> None:
    assert shown(Evidence(uid=1, gid=2, executable=path)) == {"unix:uid:1", "unix:gid:2"}


@pytest.mark.parametrize(("uid", "gid"), [(-1, 0), (0, -1)])
def test_negative_ids_are_nobodys(uid: int, gid: int) -> None:
    with pytest.raises(Refused):
        Evidence(uid=uid, gid=gid)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_fact_can_pass_for_one_of_another_kind(user: str, executable: str) -> None:
    kinds = {one.kind for one in Evidence(uid=7, gid=8, user=user, executable=executable).selectors()}
    assert kinds <= {"unix:uid", "unix:gid", "unix:user", "unix:path"}
    uids = {
        one.value
        for one in Evidence(uid=7, gid=8, user=user, executable=executable).selectors()
        if one.kind == "unix:uid"
    }
    assert uids == {"7"}

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.attest.proc_text import Credentials, cgroup, credentials, systemd_unit

STATUS = "Name:\tweb\nPid:\t41\nUid:\t1000\t1001\t1002\t1003\nGid:\t10\t11\t12\t13\nGroups:\t27 100 \nNSpid:\t41\n"


def test_the_effective_ids_count() -> None:
    assert credentials(STATUS) == Credentials(1001, 11, frozenset({27, 100}))


def test_a_process_without_supplementary_groups_has_none() -> None:
    assert credentials(STATUS.replace("27 100", "")) == Credentials(1001, 11, frozenset())


@pytest.mark.parametrize("field", ["Uid", "Gid", "Groups"])
def test_a_status_without_one_of_them_says_nothing(field: str) -> None:
    assert credentials(STATUS.replace(field, "Other")) is None


def test_a_status_that_is_not_numbers_says_nothing() -> None:
    assert credentials(STATUS.replace("1001", "١٢")) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/system.slice/web.service\n", "/system.slice/web.service"),
        ("0::/\n", "/"),
        ("12:cpu,cpuacct:/a\n1:name=systemd:/system.slice/web.service\n0::/b\n", "/system.slice/web.service"),
        ("12:cpu:/a\n0::/with:colon\n", "/with:colon"),
        ("0::/../../outside\n", None),
        ("0::/..\n", None),
        ("0::/gone.service (deleted)\n", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_where_a_process_stands(text: str, path: str | None) -> None:
    assert cgroup(text) == path


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/web.service", "web.service"),
        ("/system.slice/system-web.slice/web@1.service/worker", "web@1.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/init.scope", "init.scope"),
        ("/", None),
        ("/docker/0123abcd", None),
        ("/docker/web.service", None),
        # systemd lets this user make anything below their own service.
        (
            "/user.slice/user-1000.slice/user@1000.service/system.slice/payments.service",
            "user@1000.service",
        ),
        ("/.service", None),
    ],
)
def test_the_unit_a_cgroup_belongs_to(path: str, unit: str | None) -> None:
    assert systemd_unit(path) == unit


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing(text: str) -> None:
    credentials(text)
    path = cgroup(text)
    assert path is None or path.startswith("/")
    assert path is None or systemd_unit(path) is None or "/" not in str(systemd_unit(path))

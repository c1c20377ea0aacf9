"""Hosts with networks of their own, for scenarios of partitions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from trustplane.fault import Refused
from trustplane.host.network_namespaces import Network


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Fails the test where namespaces are not allowed, and says why: a partition not tried must be seen."""
    try:
        made = Network()
    except Refused as refused:
        pytest.fail(str(refused), pytrace=False)
    with made:
        yield made

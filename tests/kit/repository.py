"""Small trust repositories for tests, and what is said about them."""

from __future__ import annotations

from textwrap import dedent

import pytest

from trustplane.fault import Finding, Refused
from trustplane.registry.repository import read

WEB = """\
selectors: [unix:uid:1001]
ports: {app: 20101, mesh: 20201}
probes: [GET /healthz]
calls:
  shop/payments: {operations: [charge], listen: 20301}
"""
PAYMENTS = """\
selectors: [unix:uid:1002]
ports: {app: 20102, mesh: 20202}
operations:
  charge: POST /charge
  refund: POST /refunds/*
data: [payment]
"""


def repository(**changes: str | None) -> dict[str, bytes]:
    """web calls payments, in the namespace shop. A change is a file's name with `__` for `/` and without `.yaml`.

    `shop__web` stands for services/shop/web/service.yaml; none removes the file.
    """
    files: dict[str, str | None] = {
        "trustdomain.yaml": "trust_domain: acme.example\n",
        "namespaces.yaml": "shop: {owners: [shop-team]}\n",
        "services/shop/web/service.yaml": WEB,
        "services/shop/payments/service.yaml": PAYMENTS,
    }
    files.update({_path(name): content for name, content in changes.items()})
    return {path: dedent(content).encode() for path, content in files.items() if content is not None}


def findings(files: dict[str, bytes]) -> tuple[Finding, ...]:
    with pytest.raises(Refused) as refused:
        read(files)
    return refused.value.findings


def admitted(files: dict[str, bytes]) -> frozenset[str]:
    """The services of a repository with nothing wrong, as `namespace/service`."""
    return frozenset(map(str, read(files).services))


def only(files: dict[str, bytes]) -> Finding:
    """The one thing that is wrong."""
    found = findings(files)
    assert len(found) == 1, [str(one) for one in found]
    return found[0]


def _path(name: str) -> str:
    folders = name.split("__")
    if len(folders) == 1:
        return f"{name}.yaml"
    if folders[0] in ("profiles", "waivers"):
        return "/".join(folders) + ".yaml"
    return "/".join(("services", *(folder.replace("_", "-") for folder in folders), "service.yaml"))

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.repository import PAYMENTS, WEB, only, repository
from trustplane.registry.connections import BY_AGE, Connections, WhenTrustChanges
from trustplane.registry.repository import read
from trustplane.spiffe.names import ServiceName

PAY = ServiceName("shop", "payments")


def test_what_a_service_says_of_its_connections_is_read() -> None:
    state = read(repository(shop__payments=PAYMENTS + "connections: {longest: 10m, when_trust_changes: drain}\n"))
    assert state.services[PAY].connections == Connections(timedelta(minutes=10), WhenTrustChanges.DRAIN)
    assert state.services[ServiceName("shop", "web")].connections == BY_AGE


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{longest: 15s}", "connection-shorter-than-request"),
        ("{longest: 2h}", "connection-outlives-leaf"),
        ("{longest: 4s}", "bad-connections"),
        ("{longest: 2d}", "bad-connections"),
        ("{when_trust_changes: never}", "unknown-value"),
        ("{oldest: 1h}", "unknown-key"),
        ("10m", "wrong-type"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_its_line(written: str, code: str) -> None:
    finding = only(repository(shop__web=f"connections: {written}\n{WEB}"))
    assert (finding.code, finding.place and finding.place.line) == (code, 1)


def test_who_has_no_sidecar_cannot_drain() -> None:
    files = repository(
        shop__payments="selectors: [unix:uid:1002]\nconnections: {when_trust_changes: drain}\n",
        shop__web="selectors: [unix:uid:1001]",
    )
    finding = only(files)
    assert (finding.code, finding.place and finding.place.line) == ("drain-without-sidecar", 2)

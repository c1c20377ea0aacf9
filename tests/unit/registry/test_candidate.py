"""A candidate has an ID and an end, or there is none; what a service is judged by has one digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trustplane.fault import Broken
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.model import Probe
from trustplane.spiffe.names import ServiceName

ENDS = datetime(2030, 1, 1, tzinfo=UTC)
A, B = Tried(ServiceName("shop", "a")), Tried(ServiceName("shop", "b"), b"{}")
RUNNING = Candidate("12-0123abcd", ENDS, (A, B))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "12"},
        {"id": "012-0123abcd"},
        {"id": "12-0123ABCD"},
        {"id": "12-0123abcd\n"},
        {"ends_at": None},
        {"ends_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - what is refused
        {"tried": (B, A)},
        {"tried": (A, A)},
    ],
)
def test_one_that_is_not_whole_cannot_be_made(change: dict[str, object]) -> None:
    with pytest.raises(Broken) as broken:
        replace(RUNNING, **change)  # type: ignore[arg-type] # fields checked by replace
    assert broken.value.code == "candidate-malformed"


def test_what_a_service_is_judged_by_has_a_digest_of_its_own() -> None:
    assert A.digest == replace(A, service=B.service).digest
    assert len({A.digest, B.digest, replace(A, probes=(Probe("GET", "/"),)).digest}) == 3
    assert RUNNING.known_as(A) != replace(RUNNING, id="13-0123abcd").known_as(A)
    assert len(replace(RUNNING, id=f"{10**15}-0123abcd").known_as(A)) <= 64  # as a holding keeps it


def test_it_ends_by_itself_and_is_told_in_parts() -> None:
    assert RUNNING.at(ENDS - timedelta(seconds=1)) is RUNNING
    assert RUNNING.at(ENDS) == NO_CANDIDATE
    assert RUNNING.only({B.service}).tried == (B,)
    assert (RUNNING.about(A.service), RUNNING.about(ServiceName("shop", "c"))) == (A, None)

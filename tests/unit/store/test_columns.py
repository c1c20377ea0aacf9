from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy.dialects import sqlite

from trustplane.fault import Broken
from trustplane.store.columns import Instant, Serial, fits_serial

DIALECT = sqlite.dialect()
LARGEST = (1 << 128) - 1


@given(some.datetimes(timezones=some.timezones()))
def test_an_instant_comes_back_as_the_same_instant_in_utc(instant: datetime) -> None:
    stored = Instant().process_bind_param(instant, DIALECT)
    back = Instant().process_result_value(stored, DIALECT)
    assert isinstance(stored, int)
    assert back is not None
    assert back == instant.astimezone(UTC)
    assert back.tzinfo is UTC


@given(some.datetimes(timezones=some.just(UTC)), some.datetimes(timezones=some.just(timezone(timedelta(hours=5)))))
def test_stored_instants_sort_as_instants_do(one: datetime, other: datetime) -> None:
    first, second = (Instant().process_bind_param(instant, DIALECT) for instant in (one, other))
    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)


def test_an_instant_without_a_zone_is_not_stored() -> None:
    with pytest.raises(Broken, match="naive-instant"):
        Instant().process_bind_param(datetime(2030, 1, 1), DIALECT)  # noqa: DTZ001 - what the test is about


@given(some.integers(0, LARGEST))
def test_a_serial_comes_back_and_takes_sixteen_bytes(serial: int) -> None:
    stored = Serial().process_bind_param(serial, DIALECT)
    assert stored is not None
    assert len(stored) == 16
    assert Serial().process_result_value(stored, DIALECT) == serial


@pytest.mark.parametrize("serial", [-1, LARGEST + 1])
def test_a_serial_that_does_not_fit_is_not_stored(serial: int) -> None:
    assert not fits_serial(serial)
    with pytest.raises(Broken, match="serial-too-long"):
        Serial().process_bind_param(serial, DIALECT)


def test_nothing_is_stored_as_nothing() -> None:
    assert Instant().process_bind_param(None, DIALECT) is None
    assert Instant().process_result_value(None, DIALECT) is None
    assert Serial().process_bind_param(None, DIALECT) is None
    assert Serial().process_result_value(None, DIALECT) is None

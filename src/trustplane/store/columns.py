"""How our values lie in a database: instants as whole microseconds since 1970 in UTC, serial numbers as 16 bytes.

Whole numbers compare and sort alike in SQLite and PostgreSQL; text and time types do not. A naive instant and a serial
number that does not fit are refused here, before anything is written.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary
from sqlalchemy.types import TypeDecorator

from trustplane.fault import Broken

SERIAL_BYTES = 16

# An auto-incrementing key: SQLite only counts up a column of type INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def fits_serial(serial: int) -> bool:
    return 0 <= serial < 1 << 8 * SERIAL_BYTES


class Instant(TypeDecorator[datetime]):
    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        if value.tzinfo is None:
            raise Broken(
                code="naive-instant",
                what=f"the instant {value} has no zone",
                why="without a zone it names a different moment on every machine",
                fix="report this with the command that was run",
            )
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else _EPOCH + value * _MICROSECOND


class Serial(TypeDecorator[int]):
    impl = LargeBinary(SERIAL_BYTES)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        if not fits_serial(value):
            raise Broken(
                code="serial-too-long",
                what=f"the serial number {value:x} has more than {SERIAL_BYTES} bytes",
                why="serial numbers issued here are 128 bits of randomness",
                fix="report this with the audit log around the certificate's issuance",
            )
        return value.to_bytes(SERIAL_BYTES)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else int.from_bytes(value)

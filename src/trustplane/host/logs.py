"""Structured logs on standard error: for people on a terminal, one JSON object a line elsewhere.

A line that cannot be written (a full disk, a reader that went away) is lost, and nothing else: no work stops for it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog


class Lossy:
    """A stream whose failures are nobody's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def log_to_stderr() -> None:
    shown = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shown,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )

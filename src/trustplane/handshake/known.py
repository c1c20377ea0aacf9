"""What is known beside the records: what was shown of a failure, and what each side holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trustplane.handshake import holding
from trustplane.handshake.state import State


@dataclass(frozen=True, slots=True)
class Known:
    """What was `shown` goes before what is `held`. `at` is when it was judged, for records without a time."""

    shown: State | None = None
    held: holding.Held = holding.NOTHING
    at: datetime | None = None


NOTHING: Final = Known()

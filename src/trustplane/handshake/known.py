"""What is known beside the records: what was shown of a failure, what each side holds, what its issuer knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trustplane.handshake import holding
from trustplane.handshake.issuer import NOBODY_ISSUED, Issuer
from trustplane.handshake.state import State


@dataclass(frozen=True, slots=True)
class Known:
    """What was `shown` goes before what the `issuer` knows, and that before what is `held`. `at` is
    when it was judged, for records without a time."""

    shown: State | None = None
    held: holding.Held = holding.NOTHING
    at: datetime | None = None
    issuer: Issuer = NOBODY_ISSUED


NOTHING: Final = Known()

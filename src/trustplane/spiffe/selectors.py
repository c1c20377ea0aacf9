"""Selectors: attested facts about a process or a node. `attest` yields them, `registry` matches them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trustplane.fault import Refused

_KIND = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")
MAX_VALUE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True, order=True)
class Selector:
    """`kind` is the attestor and its fact (`unix:uid`), `value` what was found (`1001`)."""

    kind: str
    value: str

    def __post_init__(self) -> None:
        if (
            not _KIND.fullmatch(self.kind)
            or not self.value
            or len(self.value) > MAX_VALUE_CHARACTERS
            or not self.value.isprintable()
        ):
            raise Refused(
                code="bad-selector",
                what=f"{f'{self.kind}:{self.value}'!r:.300} is not a selector",
                why=f"it is attestor:fact:value, the value printable, at most {MAX_VALUE_CHARACTERS} characters",
                fix="write for example unix:uid:1001 or unix:path:/usr/bin/payments",
            )

    @classmethod
    def parse(cls, text: str) -> Selector:
        attestor, _, rest = text.partition(":")
        fact, _, value = rest.partition(":")
        return cls(f"{attestor}:{fact}", value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

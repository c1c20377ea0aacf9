"""Who proposes and who approves, as the audit log names them, and whether two of those names may be one person.

A local account, an account of a provider and a name said at the admin socket are taken for one person when they read
alike. That can refuse two people who share a name; the other mistake would let one approve what they proposed.
"""

from __future__ import annotations

from dataclasses import dataclass

_DOORS = ("console:", "account:", "local:")
_PROVIDER = "oidc:"


@dataclass(frozen=True, slots=True)
class Person:
    """`name` says by which door they came: `console:ada`, `account:ada`, `local:ada`. `subject` is a provider's."""

    name: str
    subject: str = ""

    def __str__(self) -> str:
        return self.name

    def may_be(self, other: Person) -> bool:
        return _read(self.name) == _read(other.name) or bool(self.subject and self.subject == other.subject)


def _read(name: str) -> str:
    """What is left of a name without its door, its provider, the domain of an address, and case."""
    for door in _DOORS:
        name = name.removeprefix(door)
    return name.removeprefix(_PROVIDER).partition("@")[0].casefold()

"""Which SPIFFE IDs are meant: exactly one, or all below a path that ends in a slash.

A prefix ends in a slash or it is none: `/ns/prod` would also be the beginning of `/ns/prod-evil`.
"""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.spiffe.ids import SpiffeId, TrustDomain


@dataclass(frozen=True, slots=True, order=True)
class IdPattern:
    """`below`: every ID whose path goes on after `path`, in whole segments, and not `path` itself."""

    trust_domain: TrustDomain
    path: tuple[str, ...]
    below: bool

    def __post_init__(self) -> None:
        SpiffeId(self.trust_domain, self.path)  # refuses what is no path
        if not self.path and not self.below:
            raise Refused(
                code="bad-id-pattern",
                what=f"{self.trust_domain.id} names a trust domain and no workload in it",
                why="an SVID without a path authenticates nobody (X509-SVID §5.2)",
                fix=f"write an ID such as {self.trust_domain.id}/ns/shop/sa/web, or {self.trust_domain.id}/ns/shop/",
            )

    @classmethod
    def parse(cls, text: str) -> IdPattern:
        """`spiffe://td/a/b` is that ID, `spiffe://td/a/` everything below."""
        named = SpiffeId.parse(text.removesuffix("/"))
        return cls(named.trust_domain, named.path, text.endswith("/"))

    @classmethod
    def of_path(cls, trust_domain: TrustDomain, path: str) -> IdPattern:
        """`/a/b` or `/a/`; `/` is the whole trust domain."""
        if not path.startswith("/"):
            raise Refused(
                code="bad-id-pattern",
                what=f"{path!r:.200} is not a path of SPIFFE IDs",
                why="a path begins with a slash; one that ends in a slash stands for everything below it",
                fix="write for example /ns/billing/ or /ns/billing/sa/invoices",
            )
        return cls.parse(f"{trust_domain.id}{path}")

    @property
    def path_text(self) -> str:
        return str(self).removeprefix(str(self.trust_domain.id))

    def matches(self, spiffe_id: SpiffeId) -> bool:
        if spiffe_id.trust_domain != self.trust_domain:
            return False
        return _is_below(spiffe_id.path, self.path) if self.below else spiffe_id.path == self.path

    def covers(self, other: IdPattern) -> bool:
        """Whether all that `other` means is meant here too."""
        if other.trust_domain != self.trust_domain:
            return False
        if not self.below:
            return other == self
        return _is_below(other.path, self.path) or (other.below and other.path == self.path)

    def paths_meet(self, other: IdPattern) -> bool:
        """Whether one path, in whatever trust domain, is meant by both."""
        mine, theirs = (IdPattern(TrustDomain("any"), one.path, one.below) for one in (self, other))
        return mine.covers(theirs) or theirs.covers(mine)

    def __str__(self) -> str:
        return f"{SpiffeId(self.trust_domain, self.path)}{'/' if self.below else ''}"


def _is_below(path: tuple[str, ...], above: tuple[str, ...]) -> bool:
    return len(path) > len(above) and path[: len(above)] == above

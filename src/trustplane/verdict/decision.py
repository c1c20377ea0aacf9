"""A policy decision as a proxy's log tells it: who asked what of whom, what was decided, and by which rule.

Requests of which all of this is the same are one kind. What a log does not record (headers, bodies) is no part of it,
and is unknown rather than absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from trustplane.fault import Refused
from trustplane.policy.access import Verdict
from trustplane.policy.tree import Request, Unambiguous, holds
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName

MOST_PATH = 512  # characters; of a longer one the beginning is kept
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"})
OTHER_METHOD = "*"  # stands for any that is neither one of these nor of a declared operation
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}")
_PATH = re.compile(r"[!-~]*")
_WORD = re.compile(r"[!-~]{1,400}")
_CANDIDATE = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True, slots=True, order=True)
class SeenPath:
    """A path; or, folded, some path that starts with `text` and is `plain` or not: read by every server the same."""

    text: str
    folded: bool = False
    plain: bool = True

    def __post_init__(self) -> None:
        if len(self.text) > MOST_PATH or not _PATH.fullmatch(self.text):
            raise _refused(f"{self.text!r:.100} is not a path that is kept whole", f"at most {MOST_PATH} characters")
        if not self.folded and self.plain is not is_plain(self.text):
            raise _refused(f"whether {self.text!r:.100} is plain can be read from it", "and is not what was said")

    @classmethod
    def of(cls, path: str) -> SeenPath:
        """Whatever a proxy wrote: what cannot be kept is folded where that begins."""
        kept = _PATH.match(path)
        text = kept[0][:MOST_PATH] if kept else ""
        return cls(text, folded=len(text) < len(path), plain=is_plain(path))

    def below(self, prefix: str) -> SeenPath:
        """Folded into all that starts alike."""
        return SeenPath(prefix, folded=True, plain=self.plain)

    def __str__(self) -> str:
        return f"{self.text}…" if self.folded else self.text


def is_plain(path: str) -> bool:
    return holds(Unambiguous(), Request(_NOBODY, "", path))


_NOBODY = SpiffeId.parse("spiffe://nobody.invalid/nobody")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a running candidate would have decided, at the same moment, of the same request."""

    candidate: str
    verdict: Verdict

    def __post_init__(self) -> None:
        if not _CANDIDATE.fullmatch(self.candidate):
            raise _refused(f"{self.candidate!r:.100} names no candidate", "1 to 64 letters, digits, `.`, `-` and `_`")
        _check_rule(self.verdict.rule)


@dataclass(frozen=True, slots=True)
class DecisionKind:
    """`caller` is as verified in the handshake; none: a certificate without exactly one SPIFFE ID.

    `port` is the one the proxy took the request on; 0: not told. `operation`: none that is declared.
    """

    callee: ServiceName
    caller: SpiffeId | None
    method: str
    path: SeenPath
    port: int
    operation: str | None
    enforced: Verdict
    trial: Trial | None = None

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method):
            raise _refused(f"{self.method!r:.100} is no method", "it is a token of 1 to 40 characters")
        if not 0 <= self.port <= 65535:
            raise _refused(f"{self.port} is no port", "ports are 0 to 65535")
        for word in (self.operation, self.enforced.rule):
            _check_rule(word)

    @property
    def allowed(self) -> bool:
        return self.enforced.allowed

    @property
    def disagrees(self) -> bool:
        """Whether the running candidate would have decided otherwise."""
        return self.trial is not None and self.trial.verdict.allowed is not self.enforced.allowed

    def with_path(self, path: SeenPath) -> DecisionKind:
        return replace(self, path=path)

    def without_trial(self) -> DecisionKind:
        return replace(self, trial=None) if self.trial else self


def _check_rule(word: str | None) -> None:
    if word is not None and not _WORD.fullmatch(word):
        raise _refused(f"{word!r:.100} is not the name of a rule or operation", "1 to 400 characters without spaces")


def _refused(what: str, why: str) -> Refused:
    return Refused(
        code="bad-decision",
        what=what,
        why=why,
        fix="a proxy's log is read by the agent of its own version; report this with both versions",
    )

"""Clues from the records themselves: times, names, and what runs on the other side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from trustplane.handshake.clue import Clue, against, excludes, favours
from trustplane.handshake.failure import Failure, Implementation
from trustplane.handshake.join import Pair

CLOCKS_AGREE: Final = timedelta(seconds=5)
CLOCKS_DIFFER: Final = timedelta(seconds=30)
WITHHOLDING: Final = frozenset({Implementation.GO, Implementation.JAVA})
_NAMES: Final = re.compile(r"certificate[ _]SANs[ _]are[ _]\[([^\]]{0,1000})\]", re.IGNORECASE)


def clues(pair: Pair, speaker: Failure, *, judges: bool) -> list[Clue]:
    """`judges` says that the speaker refused: then what it has of the other side is what was refused. A side that was
    refused has of the other only who refused it."""
    about = [*_expiry(speaker), *_nameless(speaker), *_names(pair, speaker)] if judges else []
    return [*about, *_clocks(pair), *_runtime(pair)]


def presented(failure: Failure) -> tuple[str, ...]:
    """The names of the certificate that was judged, as far as the record gives them."""
    found = _NAMES.search(failure.text)
    listed = tuple(name.strip(" _") for name in found[1].split(",")) if found else ()
    return tuple(name for name in (listed or (failure.theirs.spiffe_id,)) if name)


def of_the_other(pair: Pair, speaker: Failure) -> tuple[str, ...]:
    """Whom the other side took itself for, by its own record."""
    return tuple(one.ours.spiffe_id for one in pair.failures if one is not speaker and one.ours.spiffe_id)


def _expiry(speaker: Failure) -> Iterator[Clue]:
    end = speaker.theirs.not_after
    if end is None or speaker.at is None:
        return
    if end < speaker.at:
        yield favours("leaf-expired", f"the record has the leaf's end: {end:%Y-%m-%d %H:%M:%SZ}, before it was judged")
    else:
        yield excludes("leaf-expired", f"the record has the leaf's end: {end:%Y-%m-%d %H:%M:%SZ}, after it was judged")


def _nameless(speaker: Failure) -> Iterator[Clue]:
    """A proxy that has the end of a certificate has read it, and would have its SPIFFE ID too."""
    if speaker.theirs.not_after is not None and not presented(speaker):
        yield favours("wrong-san", "the certificate that was judged has no SPIFFE ID")


def _clocks(pair: Pair) -> Iterator[Clue]:
    if pair.client is None or pair.server is None or pair.client.at is None or pair.server.at is None:
        return
    apart = abs(pair.client.at - pair.server.at)
    if apart <= CLOCKS_AGREE:
        yield excludes("clock-wrong", "the two sides' clocks agree")
    elif apart >= CLOCKS_DIFFER:
        yield favours("clock-wrong", f"the two records of one connection are {apart.total_seconds():.0f} s apart")


def _names(pair: Pair, speaker: Failure) -> Iterator[Clue]:
    names, ours = presented(speaker) or of_the_other(pair, speaker), speaker.ours.spiffe_id
    if not names or not ours:
        return
    if all(_domain(name) != _domain(ours) for name in names):
        yield favours("wrong-trust-domain", f"{names[0]} presents itself to {ours}: another trust domain")
    else:
        yield against("wrong-trust-domain", f"{names[0]} is of the same trust domain as {ours}")


def _runtime(pair: Pair) -> Iterator[Clue]:
    if pair.client is None or pair.client.implementation is None:
        return
    runs = pair.client.implementation
    if runs in WITHHOLDING:
        yield favours("withheld-client-certificate", f"the client is {runs.value}, which withholds what is not wanted")
    else:
        yield excludes("withheld-client-certificate", f"the client is {runs.value}, which presents what it has")


def _domain(name: str) -> str:
    return name.removeprefix("spiffe://").partition("/")[0].lower()

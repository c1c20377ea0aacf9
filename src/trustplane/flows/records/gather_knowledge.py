"""The library of all that is known, with the catalogue of failed handshakes in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trustplane.handshake.catalogue import CATALOGUE
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.signature import Signature
from trustplane.knowledge.alert import Alert
from trustplane.knowledge.library import Library, Reason, Sign
from trustplane.knowledge.postmortem import Postmortem
from trustplane.knowledge.runbook import Runbook


def gathered(
    runbooks: Iterable[Runbook], alerts: Iterable[Alert], postmortems: Iterable[Postmortem], proved: Collection[str]
) -> Library:
    return Library(
        runbooks=tuple(runbooks),
        alerts=tuple(alerts),
        postmortems=tuple(postmortems),
        signs=tuple(map(_sign, CATALOGUE)),
        reasons=tuple(Reason(one.id, one.meaning, one.fix, one.command, one.runbook) for one in CAUSES.values()),
        proved=frozenset(proved),
    )


def _sign(one: Signature) -> Sign:
    match = one.match
    texts = " ... ".join(filter(None, (*match.words, match.details, match.flags and f"flags {match.flags}")))
    return Sign(one.id, texts, one.tells, tuple(cause for cause, _ in one.causes), one.runbook)

"""What an agent makes of the revocations it was told: values to verify with, and what its proxies may be given.

CRLs are taken together or not at all: a proxy that has some refuses every chain with a CA that has none. One that
cannot be read, or is stale, therefore leaves out all of them, with a word in the log; denied IDs, certificates and
issuers have no date and always hold (docs/decisions/0121).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import structlog

from trustplane.fault import Refused
from trustplane.registry.view import Withdrawn
from trustplane.spiffe.certificates import certificate_from_der
from trustplane.spiffe.revoked import Crl, Revoked

STALE_BEFORE = timedelta(minutes=2)  # a proxy is given other CRLs, or none, that long before they expire

_log = structlog.get_logger("revocations")


@lru_cache(maxsize=16)  # a node has one at a time; views of the same content come with equal ones
def revoked_of(withdrawn: Withdrawn) -> Revoked:
    ids = frozenset(withdrawn.ids)
    digests = frozenset(one.sha256 for one in withdrawn.certificates)
    try:
        crls = tuple(Crl(certificate_from_der(one.authority), one.crl) for one in withdrawn.crls)
    except Refused as refused:
        _log.error("CRLs left out", code=refused.code, what=refused.finding.what, why=refused.finding.why)
        return Revoked((), ids, digests)
    return Revoked(crls, ids, digests)


def fit_for_proxies(withdrawn: Withdrawn, at: datetime) -> Withdrawn:
    """The same, without CRLs if they would make proxies refuse everybody."""
    if not withdrawn.crls or revoked_of(withdrawn).without_stale(at, STALE_BEFORE).crls:
        return withdrawn
    return replace(withdrawn, crls=())


def stale_at(withdrawn: Withdrawn) -> datetime | None:
    """When proxies must no longer have these CRLs; none without CRLs."""
    ends = [crl.next_update for crl in revoked_of(withdrawn).crls]
    return min(ends) - STALE_BEFORE if ends else None

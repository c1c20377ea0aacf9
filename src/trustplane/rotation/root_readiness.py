"""Whom a change of root would wait for if it began now, asked before there is a root to come.

The gates are those of a change (`rotation.root_gates`), and the root that signs now stands in the place of the one to
come: who does not prove that it trusts this one would not prove that it trusts another. Who is away could take up none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from trustplane.rotation.root_change import Order, Participant, Phase, RootChange, Seen, Survey, begun
from trustplane.rotation.root_gates import Waiting, waits
from trustplane.trust.authority import AuthorityId

_ASKER = Order("nobody", "a question")


def question(root: AuthorityId, at: datetime) -> RootChange:
    """No change, and never stored: what the survey and the gates are asked with."""
    return replace(begun(0, root, _ASKER, at), coming=root, phase=Phase.VERIFY)


def blocking(survey: Survey, root: AuthorityId, probed: Mapping[Participant, str], at: datetime) -> tuple[Waiting, ...]:
    """`survey` was made with `question`. `probed`: what each who was asked said, nothing if it let the probe in."""
    seen = tuple(_as_asked(one, root, probed.get(one.participant)) for one in survey.seen)
    return waits(question(root, at), replace(survey, seen=seen), at)


def _as_asked(one: Seen, root: AuthorityId, said: str | None) -> Seen:
    trusts = one.trusts - {root} if one.is_away else one.trusts
    if said is None:  # nobody could ask it, which proves nothing either way
        return replace(one, trusts=trusts, accepts=None)
    accepts = frozenset[AuthorityId]() if said else frozenset({root})
    return replace(one, trusts=trusts, accepts=accepts, refusal=one.refusal or said)

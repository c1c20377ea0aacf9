"""The beginning of a postmortem: what is known already is filled in, what is not is left where `check` finds it."""

from __future__ import annotations

from typing import Final

from trustplane.fault import Refused
from trustplane.knowledge.library import Library
from trustplane.registry.fields import nearest
from trustplane.registry.findings import shown

_TEXT: Final = """\
---
title:
began: {began}
happened_to:
misconfigured:
  # Which field of which certificate, bundle or identity had which value, and what it ought to have had.
  - of: leaf
    which:
    field: not-after
    was:
    should:
detected:
timeline:
  - at: {began}
    event:
causes: [{causes}]
signatures: [{signatures}]
alerts: [{alerts}]
runbooks: [{runbooks}]
prevented_by:
  -
sources:
  - url:
    dated: {began}
    says:
# Where a list above stays empty, say why: unlinked: {{alerts: it was over before an alert could fire}}
---

# What happened

"""


def begun(library: Library, began: str, signature: str | None) -> str:
    """With a signature, the causes, runbook and alerts it leads to are filled in."""
    if signature is None:
        return _TEXT.format(began=began, causes="", signatures="", alerts="", runbooks="")
    sign = next((one for one in library.signs if one.id == signature), None)
    if sign is None:
        raise Refused(
            code="no-such-signature",
            what=f"there is no signature {shown(signature)!r}{nearest(signature, library.known().signatures)}",
            why="trustplane diagnose names signatures; docs/signatures.md lists them",
            fix="trustplane knowledge search --kind signature, with a word of the text",
        )
    runbook = next((one for one in library.runbooks if one.slug == sign.runbook), None)
    return _TEXT.format(
        began=began,
        causes=sign.causes[0],
        signatures=sign.id,
        alerts=", ".join(runbook.alerts if runbook else ()),
        runbooks=sign.runbook,
    )

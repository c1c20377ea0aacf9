"""Faults and findings as bodies, for answers and for `--json` alike."""

from __future__ import annotations

from trustplane.fault import Fault, Finding, Unavailable
from trustplane.wire.http_shapes import ErrorShape, FindingShape


def finding_shape(finding: Finding) -> FindingShape:
    return FindingShape(
        code=finding.code,
        what=finding.what,
        why=finding.why,
        fix=finding.fix,
        place=str(finding.place) if finding.place else None,
    )


def error_shape(fault: Fault) -> ErrorShape:
    """A fault in full, as its caller or its operator may see it."""
    first = finding_shape(fault.finding)
    several = len(fault.findings) > 1
    wait = fault.retry_after if isinstance(fault, Unavailable) else None
    return ErrorShape(
        code=first.code,
        what=first.what,
        why=first.why,
        fix=first.fix,
        place=first.place,
        findings=tuple(finding_shape(one) for one in fault.findings) if several else (),
        retry_after_seconds=wait.total_seconds() if wait else None,
    )

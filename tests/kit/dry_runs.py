"""A dry run as a server shows it: a day old, one sidecar, one caller that would be refused."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

from tests.kit.repository import repository
from tests.kit.server_door import NODE, NOON, WEB
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.coverage import Cover, Coverage, Covered
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.dry_run_report import Difference, Exercise, Report
from trustplane.verdict.promotion import Standing
from trustplane.verdict.tally import Sample, Tally

PAY = ServiceName("shop", "payments")
FILES = MappingProxyType({path: content.decode() for path, content in repository().items()})
RUN = DryRun(7, "0123abcd" * 8, FILES, "local:ann", NOON - timedelta(days=1), NOON + timedelta(days=6), 1)
DENIED = Difference(PAY, "charge", WEB, "all", None, "POST /charge", Tally(5, NOON, NOON, Sample(NOON, "id-1")))
SHOWN = Standing(
    RUN,
    None,
    Coverage((Covered(PAY, NODE, Cover.JUDGES, NOON),), ()),
    Report((DENIED,), (), (Exercise(PAY, "charge", 5),), 5),
)
GOOD = Standing(RUN, None, SHOWN.coverage, Report((), (), SHOWN.report.exercised, 5))

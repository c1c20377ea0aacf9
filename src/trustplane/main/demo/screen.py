"""The demo as people see it: a live table on a terminal, plain lines everywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trustplane.main.demo.log import Tally
from trustplane.main.demo.report import Renewals, Report
from trustplane.main.demo.traffic import Counts

EVENTS_SHOWN = 10
PLAIN_EVERY_SECONDS = 5.0


class Screen:
    """`counts`, `tally` and `renewals` are read whenever it draws; `headless` keeps standard output for the report."""

    def __init__(self, *, headless: bool) -> None:
        self._started = time.monotonic()
        self._console = Console(stderr=headless, highlight=False, soft_wrap=True)
        self._is_live = self._console.is_terminal and not headless
        self._events: deque[str] = deque(maxlen=EVENTS_SHOWN)
        self._live: Live | None = None
        self._plain_at = 0.0

    @property
    def started(self) -> float:
        return self._started

    def tell(self, text: str) -> None:
        """Something happened: a step of the set-up, a renewal, a failure."""
        line = f"[{time.monotonic() - self._started:6.1f} s] {text}"
        self._events.append(line)
        if self._live is None:
            self._console.print(Text(line))

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """While traffic runs."""
        if not self._is_live:
            yield
            return
        self._events.clear()  # the steps so far stand above
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def draw(self, counts: Counts, tally: Tally, renewals: Renewals) -> None:
        customers, mesh = _customers(counts), _mesh(counts, tally)
        if self._live:
            hint = Text("Ctrl-C takes everything down and leaves nothing behind", "italic")
            told = [Text(line, "dim") for line in self._events]
            shown = Group(_identities(renewals), Text(), customers, mesh, Text(), *told, Text(), hint)
            self._live.update(shown, refresh=True)
        elif time.monotonic() - self._plain_at >= PLAIN_EVERY_SECONDS:
            self._plain_at = time.monotonic()
            self.tell(f"{customers.plain}; {mesh.plain}")

    def close(self, report: Report) -> None:
        """The last words of a run that people watched."""
        verdict = "everything worked" if report.went_well else "NOT everything worked"
        renewed = f"{report.renewals} renewals ({min(report.renewals_per_service.values(), default=0)} or more each)"
        self._console.print(
            Text(
                f"{verdict}: {report.requests} requests in {report.seconds:.0f} s, {report.failed} failed, {renewed}, "
                f"first request after {report.seconds_to_first_request:.1f} s, all mTLS: "
                f"{'yes' if report.all_mtls else 'NO'}"
            )
        )
        for failure in report.failures:
            self._console.print(Text(f"  {failure}"))
        sys.stdout.flush()


def _identities(renewals: Renewals) -> Table:
    """Fits 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("SPIFFE ID", "serial"):
        table.add_column(heading, no_wrap=True, header_style="bold")
    for heading in ("expires", "renewed"):
        table.add_column(heading, no_wrap=True, header_style="bold", justify="right")
    table.add_column("sidecar", no_wrap=True, header_style="bold")
    status = renewals.latest
    serving = {one.service: one.serving for one in status.sidecars} if status else {}
    for entry in status.entries if status else ():
        left = renewals.expires_in(entry)
        table.add_row(
            entry.spiffe_id,
            (entry.serial or "none yet")[:8],
            "" if left is None else f"{left:.0f} s",
            str(renewals.per_service.get(entry.service, 0)),
            Text("serving", "green") if serving.get(entry.service) else Text("waiting", "yellow"),
        )
    return table


def _customers(counts: Counts) -> Text:
    failed = (f"{counts.failed} failed", "bold red" if counts.failed else "green")
    return Text.assemble(f"{counts.requests} requests, {counts.rps():.0f} a second, ", failed)


def _mesh(counts: Counts, tally: Tally) -> Text:
    if tally.without_mtls:
        mtls = (f"{len(tally.without_mtls)} NOT mTLS", "bold red")
    else:
        mtls = ("all of them mTLS", "green") if tally.all_mtls else ("none logged yet", "yellow")
    return Text.assemble(
        f"{tally.inbound} calls between services, ", mtls, f"; {counts.refused} refused as they should be"
    )

"""Writes docs/alerts.md and deploy/prometheus/proved.json: on which recorded fleets promtool says that an alert fires.

It takes promtool some seconds, so a test that has asked promtool anyway compares them, instead of `make drift`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.kit.alert_page import PAGE, PROVED, page, proved  # noqa: E402 - the tree is not installed
from tests.kit.alert_stories import STORIES, VECTORS  # noqa: E402 - likewise
from tests.kit.promtool import Recording, fired  # noqa: E402 - likewise
from trustplane.host.alert_files import shipped  # noqa: E402 - likewise


def main() -> None:
    rules = shipped()
    recordings = [Recording.read(VECTORS / f"{name}.json") for name in STORIES]
    with TemporaryDirectory() as folder:
        seen = {one.name: fired(rules.rules, one, Path(folder)) for one in recordings}
    PAGE.write_text(page(rules.alerts, recordings, seen))
    PROVED.write_text(proved(rules.alerts, seen))


if __name__ == "__main__":
    main()

"""Records the metrics of the fleets that alerts are proved over, into tests/vectors/alerts: all, or those named.

Two CPU seconds for each four hours, which is why `make drift` leaves it out: a test records some of them anew and
compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.kit.alert_stories import STORIES, VECTORS  # noqa: E402 - the tree is not installed


def main() -> None:
    for name in sys.argv[1:] or STORIES:
        STORIES[name].story.record(name).write(VECTORS)
        print(name)


if __name__ == "__main__":
    main()

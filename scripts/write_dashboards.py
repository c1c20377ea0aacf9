"""Writes deploy/grafana/*.json: the dashboards, from the list of panels.

Whatever is edited in Grafana is to be brought back to `scripts/dashboard_panels.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.dashboard_panels import DASHBOARDS, Dashboard, Panel  # noqa: E402 - the tree is not installed

FOLDER = ROOT / "deploy" / "grafana"
SCHEMA_VERSION = 39
WIDTH = 24
Json = dict[str, object]


def main() -> None:
    for one in DASHBOARDS:
        (FOLDER / f"{one.uid}.json").write_text(json.dumps(_dashboard(one), indent=1) + "\n")


def _dashboard(one: Dashboard) -> Json:
    return {
        "uid": one.uid,
        "title": one.title,
        "tags": ["trustplane"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "links": [
            {
                "type": "dashboards",
                "tags": ["trustplane"],
                "title": "trustplane",
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": _laid_out(one.panels),
    }


def _laid_out(panels: Sequence[Panel]) -> list[Json]:
    """From left to right, and on to the next row where there is no room."""
    found: list[Json] = []
    x = y = height = 0
    for number, one in enumerate(panels):
        if x + one.width > WIDTH:
            x, y, height = 0, y + height, 0
        found.append(_panel(one, number + 1, {"h": one.height, "w": one.width, "x": x, "y": y}))
        x, height = x + one.width, max(height, one.height)
    return found


def _panel(one: Panel, number: int, place: Json) -> Json:
    source = {"type": "prometheus", "uid": "${datasource}"}
    steps = [{"value": value, "color": colour} for value, colour in one.steps or ((None, "blue"),)]
    is_at_once = one.kind in {"stat", "table"}
    return {
        "id": number,
        "type": one.kind,
        "title": one.title,
        "description": one.meaning,
        "gridPos": place,
        "datasource": source,
        "fieldConfig": {
            "defaults": {"unit": one.unit, "thresholds": {"mode": "absolute", "steps": steps}, "noValue": "none"},
            "overrides": [],
        },
        "options": {"colorMode": "background"} if one.kind == "stat" else {},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": source,
                "expr": query,
                "legendFormat": legend or "__auto",
                "instant": is_at_once,
                "range": not is_at_once,
                "format": "table" if one.kind == "table" else "time_series",
            }
            for place, (legend, query) in enumerate(one.queries.items())
        ],
    }


if __name__ == "__main__":
    main()

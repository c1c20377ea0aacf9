"""All that came along about trouble, read once at the start of a process that shows it."""

from __future__ import annotations

from trustplane.flows.records.gather_knowledge import gathered
from trustplane.host import alert_files, knowledge_files
from trustplane.knowledge.library import Library


def came_along() -> Library:
    shipped = alert_files.shipped()
    return gathered(
        knowledge_files.shipped_runbooks(), shipped.alerts, knowledge_files.shipped_postmortems(), shipped.proved
    )

"""Who is there, said by a test; satisfies `flows.roots.survey_trust.Present`."""

from __future__ import annotations

from trustplane.registry.presence import Attendance


class Present:
    def __init__(self, attendance: Attendance) -> None:
        self.told = attendance

    async def attendance(self) -> Attendance:
        return self.told

"""nginx and HAProxy meet every fault of a client's certificate, and what they log is in the catalogue."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.kit.envoy_bench import until
from tests.kit.fault_clients import Files, python
from tests.kit.fault_envoys import cases_of
from tests.kit.fault_records import Seen, failure_of, pair_of, record, recorded
from tests.kit.fault_servers import serving
from tests.kit.faults import all_faults, works
from trustplane.fault import Place
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Failure, Implementation, Side
from trustplane.handshake.readers.formats import READERS, Format
from trustplane.handshake.readers.line import Line
from trustplane.handshake.recognise import Unknown, recognise

pytestmark = pytest.mark.scenario

SERVERS = (Implementation.NGINX, Implementation.HAPROXY)
# Names that only Envoy is told to demand, limits and settings that only Envoy is given.
NOT_THEIRS = {
    "other-name-client", "other-domain-client", "no-name-client", "depth", "pin", "plaintext", "versions", "ciphers",
    "groups",
}  # fmt: skip
FAULTS = [one for one in all_faults() if one.judged is Side.CLIENT and one.name not in NOT_THEIRS]
CAUSES = {fault.name: fault.cause for fault in FAULTS}


def failures(by: Implementation, log: Path, already: int) -> list[Failure]:
    lines = [Line(text, Place("log", number)) for number, text in enumerate(log.read_text().splitlines(), 1)]
    return list(READERS[Format(by.value)](lines[already:]))


def met(by: Implementation, folder: Path) -> list[Seen]:
    cases = cases_of((works(), *FAULTS))

    async def scenario() -> list[Seen]:
        seen: list[Seen] = []
        async with serving(by, folder, cases) as log:
            for case in cases:
                already = len(log.read_text().splitlines())
                await asyncio.to_thread(python, case, Files.of(case, folder))
                if case.fault.name != "works":
                    await until(lambda: bool(failures(by, log, already)))  # noqa: B023 - awaited in this very round
                texts = [one.text for one in failures(by, log, already)[:1]]
                seen.extend(Seen(case.fault.name, case.tls, Side.SERVER, by, by.value, text=text) for text in texts)
        return seen

    return asyncio.run(scenario())


@pytest.mark.parametrize("by", SERVERS, ids=lambda by: by.value)
def test_what_a_server_logs_is_in_the_catalogue(by: Implementation, socket_dir: Path) -> None:
    found = met(by, socket_dir)
    if os.environ.get("TRUSTPLANE_RECORD"):
        record(by.value, found)
    assert [one.text for one in found if isinstance(recognise(pair_of([one]).failures[0]).signature, Unknown)] == []
    assert {one.fault for one in found} == {one.fault for one in recorded(by.value)} == set(CAUSES)
    before = {one.place: recognise(failure_of(one)).signature.id for one in recorded(by.value)}
    assert {one.place: recognise(failure_of(one)).signature.id for one in found} == before
    suspects = {one: {each.cause for each in diagnose(pair_of([one])).suspects} for one in found}
    assert [(one.fault, one.text) for one, causes in suspects.items() if CAUSES[one.fault] not in causes] == []

"""Python, gRPC, OpenSSL, curl, Go, Java and rustls meet every fault at a real Envoy; all that they print is known.

Their wording is compared by signature, not letter by letter: it differs by patch release, and under TLS 1.3
whether a client reads the alert before the connection is gone is a race.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kit.fault_clients import CLIENTS, SELDOM, Files
from tests.kit.fault_envoys import Case, cases_of, staged
from tests.kit.fault_records import Seen, failure_of, pair_of, record, recorded, seen_in
from tests.kit.faults import all_faults, cause_for, works
from trustplane.fault import Place
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Failure, Implementation, Side
from trustplane.handshake.readers.formats import READERS, Format
from trustplane.handshake.readers.line import Line
from trustplane.handshake.recognise import Unknown, recognise
from trustplane.handshake.signature import Voice
from trustplane.host.envoy import find_envoy

pytestmark = pytest.mark.scenario

# Settings of a proxy that these clients are not told.
NOT_THEIRS = {"plaintext", "plain-server", "versions", "ciphers", "groups", "no-such-name"}
# They look at DNS names alone, and see no trust domain in a wrong one.
NOT_THEIRS |= {"other-domain-server"}
FAULTS = [fault for fault in all_faults() if fault.name not in NOT_THEIRS]
BY_NAME = {fault.name: fault for fault in FAULTS}
SILENT = {"rejected-by-server", "peer-closed"}
_PORT = re.compile(r"(127\.0\.0\.1):\d+")
# gRPC's status is what a Python program prints of it.
WRITTEN = {Implementation.GRPC: Format.PYTHON}


def failures(by: Implementation, printed: str) -> list[Failure]:
    lines = [Line(text, Place("printed", number)) for number, text in enumerate(printed.splitlines(), 1)]
    return list(READERS[WRITTEN.get(by) or Format(by.value)](lines))


def client_record(by: Implementation, case: Case, printed: str) -> Seen | None:
    found = failures(by, printed)
    if not found:
        return None
    return Seen(case.fault.name, case.tls, Side.CLIENT, by, by.value, text=_PORT.sub(r"\1:0", found[0].text))


def met(by: Implementation, folder: Path) -> list[Seen]:
    """Both sides' records of every fault that this client meets."""
    cases = cases_of((works(), *FAULTS))

    async def scenario() -> list[Seen]:
        seen: list[Seen] = []
        async with staged(folder, find_envoy(None), cases) as stage:
            for case in cases:
                printed = await asyncio.to_thread(CLIENTS[by], case, Files.of(case, folder))
                if (found := client_record(by, case, printed)) is not None:
                    seen.append(found)
            await stage.settled()
        return [*seen, *(one for one in seen_in(stage, by.value) if one.side is Side.SERVER)]

    return asyncio.run(scenario())


@pytest.mark.parametrize("by", CLIENTS, ids=lambda by: by.value)
def test_what_a_client_prints_is_in_the_catalogue(by: Implementation, socket_dir: Path) -> None:
    if by in SELDOM and not os.environ.get("TRUSTPLANE_RUNTIMES"):
        pytest.skip("set TRUSTPLANE_RUNTIMES to build and run it; its recording is scored in any case")
    found = met(by, socket_dir)
    if os.environ.get("TRUSTPLANE_RECORD"):
        record(by.value, found)
    told = [one for one in found if one.side is Side.CLIENT]
    assert [one.fault for one in told if one.fault == "works"] == []
    assert [one.text for one in told if isinstance(recognise(pair_of([one]).failures[0]).signature, Unknown)] == []
    assert {one.fault for one in told} == {one.fault for one in recorded(by.value) if one.side is Side.CLIENT}
    wrong = [(one.fault, one.text) for one in told if not _possible(one)]
    assert wrong == []
    assert _drifted(told, [one for one in recorded(by.value) if one.side is Side.CLIENT]) == []


def _drifted(told: Sequence[Seen], before: Sequence[Seen]) -> list[tuple[str, str]]:
    """Rows that are another signature than recorded. Whether the alert is read at all is the race named above."""
    signatures = {one.place: recognise(failure_of(one)) for one in before}
    now = {one.place: recognise(failure_of(one)) for one in told}
    return [
        (one.fault, one.text)
        for one in told
        if now[one.place].signature.id != signatures[one.place].signature.id
        and Voice.SILENCE not in {now[one.place].voice, signatures[one.place].voice}
    ]


def _possible(one: Seen) -> bool:
    """The injected cause is among the suspects, or the client was told nothing."""
    suspects = {suspect.cause for suspect in diagnose(pair_of([one])).suspects}
    return cause_for(BY_NAME[one.fault], one.by.value) in suspects or bool(suspects & SILENT)

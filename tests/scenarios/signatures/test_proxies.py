"""nginx meets every fault at a real Envoy as that server's client; what it logs of its upstream is in the catalogue."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from tests.kit.envoy_bench import until
from tests.kit.fault_envoys import cases_of, staged
from tests.kit.fault_proxies import asking
from tests.kit.fault_records import Seen, failure_of, pair_of, record, recorded, seen_in
from tests.kit.faults import all_faults, works
from trustplane.fault import Place
from trustplane.handshake.diagnosis import diagnose
from trustplane.handshake.failure import Failure, Implementation, Side
from trustplane.handshake.readers.line import Line
from trustplane.handshake.readers.proxies import read_nginx
from trustplane.handshake.recognise import Unknown, recognise
from trustplane.handshake.signature import Voice
from trustplane.host.envoy import find_envoy

pytestmark = pytest.mark.scenario

NAME = "nginx-upstream"
# Settings that nginx is not told, and a trust domain that it does not look at.
NOT_ITS = {"plaintext", "plain-server", "versions", "ciphers", "groups", "no-such-name", "other-domain-server"}
FAULTS = [fault for fault in all_faults() if fault.name not in NOT_ITS]
CAUSES = {fault.name: fault.cause for fault in FAULTS}
SILENT = {"rejected-by-server", "peer-closed"}


def failures(log: Path, already: int) -> list[Failure]:
    lines = [Line(text, Place("log", number)) for number, text in enumerate(log.read_text().splitlines(), 1)]
    return list(read_nginx(lines[already:]))


def met(folder: Path) -> list[Seen]:
    cases = cases_of((works(), *FAULTS))

    async def scenario() -> list[Seen]:
        seen: list[Seen] = []
        async with (
            staged(folder, find_envoy(None), cases) as stage,
            asking(folder, cases) as nginx,
            httpx.AsyncClient(timeout=20) as client,
        ):
            for case in cases:
                already = len(nginx.log.read_text().splitlines())
                await client.get(nginx.url(case))
                if case.fault.name != "works":
                    await until(lambda: bool(failures(nginx.log, already)))  # noqa: B023 - awaited in this very round
                texts = [one.text for one in failures(nginx.log, already)[:1]]
                seen += [
                    Seen(case.fault.name, case.tls, Side.CLIENT, Implementation.NGINX, NAME, text=one) for one in texts
                ]
            await stage.settled()
        return [*seen, *(one for one in seen_in(stage, NAME) if one.side is Side.SERVER)]

    return asyncio.run(scenario())


def test_what_nginx_logs_of_its_upstream_is_in_the_catalogue(socket_dir: Path) -> None:
    found = met(socket_dir)
    if os.environ.get("TRUSTPLANE_RECORD"):
        record(NAME, found)
    told, before = ([one for one in some if one.side is Side.CLIENT] for some in (found, recorded(NAME)))
    assert [one.fault for one in told if one.fault == "works"] == []
    assert [one.text for one in told if isinstance(recognise(failure_of(one)).signature, Unknown)] == []
    assert {one.fault for one in told} == {one.fault for one in before} == set(CAUSES)
    assert _drifted(told, before) == []
    suspects = {one: {each.cause for each in diagnose(pair_of([one])).suspects} for one in told}
    assert [one for one, causes in suspects.items() if CAUSES[one.fault] not in causes and not causes & SILENT] == []


def _drifted(told: list[Seen], before: list[Seen]) -> list[tuple[str, str]]:
    """Whether the alert of a refusal under TLS 1.3 is read before the connection is gone is a race."""
    was = {one.place: recognise(failure_of(one)) for one in before}
    now = {one.place: (one, recognise(failure_of(one))) for one in told}
    return [
        (one.fault, one.text)
        for place, (one, found) in now.items()
        if found.signature.id != was[place].signature.id and Voice.SILENCE not in {found.voice, was[place].voice}
    ]

from __future__ import annotations

import asyncio
import json

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.console import PASSWORD
from tests.kit.people import MemoryPeople
from tests.kit.server_door import NOON
from trustplane.fault import Refused
from trustplane.flows.people.keep_accounts import KeepAccounts
from trustplane.people.account import AccountName, Role

ADA = AccountName("ada")


def test_every_act_is_in_the_log_before_it_is_done_and_no_password_is() -> None:
    people = MemoryPeople()

    async def scenario() -> None:
        keep = KeepAccounts(people, VirtualClock(NOON))
        await keep.add(ADA, Role.VIEWER, PASSWORD, "local:root")
        await keep.give_role(ADA, Role.AUDITOR, "local:root")
        await keep.give_password(ADA, PASSWORD + "!", "local:root")
        assert [one.role for one in await keep.everyone()] == [Role.AUDITOR]
        await keep.remove(ADA, "local:root")

    asyncio.run(scenario())
    bodies = [json.loads(body) for body in people.bodies]
    assert [(one["event"], one["step"]) for one in bodies] == [
        ("account-intent", step) for step in ("add", "role", "password", "remove")
    ]
    assert b"scrypt" not in b"".join(people.bodies)
    assert PASSWORD.encode() not in b"".join(people.bodies)
    assert not people.kept


def test_what_is_refused_is_not_written_down() -> None:
    people = MemoryPeople()

    async def scenario() -> None:
        keep = KeepAccounts(people, VirtualClock(NOON))
        with pytest.raises(Refused, match="weak-password"):
            await keep.add(ADA, Role.VIEWER, "short", "local:root")
        with pytest.raises(Refused, match="account-unknown"):
            await keep.give_role(ADA, Role.AUDITOR, "local:root")

    asyncio.run(scenario())
    assert not people.bodies

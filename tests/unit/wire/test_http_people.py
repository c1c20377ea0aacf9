from __future__ import annotations

from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.console import PASSWORD
from tests.kit.server_door import NOON, MemoryDoor
from trustplane.wire.http_api import admin_application, public_application

ADA = {"name": "ada", "role": "viewer", "password": PASSWORD}


def test_accounts_are_kept_over_the_admin_socket_and_passwords_never_come_out() -> None:
    admin = AsgiClient(admin_application(MemoryDoor(), CollectorRegistry(), VirtualClock(NOON)))
    added = admin.post("/v1/accounts", json=ADA, headers={"trustplane-operator": "root"})
    assert added.json()["created_by"] == "local:root"
    assert admin.post("/v1/accounts/ada/role", json={"role": "auditor"}).json()["role"] == "auditor"
    assert admin.post("/v1/accounts/ada/password", json={"password": "short"}).json()["code"] == "weak-password"
    assert admin.post("/v1/accounts", json=ADA).json()["code"] == "account-exists"
    assert admin.post("/v1/accounts/Bob/role", json={"role": "viewer"}).json()["code"] == "bad-account-name"
    listed = admin.get("/v1/accounts")
    assert [one["name"] for one in listed.json()["accounts"]] == ["ada"]
    assert "scrypt" not in listed.text
    assert admin.post("/v1/accounts/ada/remove").status_code == 200
    assert admin.post("/v1/accounts/ada/remove").json()["code"] == "account-unknown"


def test_who_has_an_account_is_not_told_over_https() -> None:
    public = AsgiClient(public_application(MemoryDoor(), CollectorRegistry(), VirtualClock(NOON)))
    assert public.get("/v1/accounts").json()["code"] == "unknown-path"

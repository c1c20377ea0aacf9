"""Deploy systems tell of rollouts, with a token and nothing else; what is hostile or wrong is refused and why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from tests.kit.clock import VirtualClock
from tests.kit.server_door import NOON, MemoryDoor
from trustplane.change.rollout import MAX_REFERENCE, MOST_NODES
from trustplane.main.console_door import beside
from trustplane.wire.http_api import admin_application, public_application
from trustplane.wire.http_rollouts import MAX_TOLD_BYTES, PAGE, PATH, deploy_application

ROLLOUT: dict[str, Any] = {
    "reference": "pipeline/812",
    "version": "1.37.2",
    "services": ["shop/pay"],
    "nodes": ["node-a", "node-z"],
    "started": "2030-01-01T11:50:00Z",
}


class Told:
    """A server with a token for github, and what github sends."""

    def __init__(self) -> None:
        self.door = MemoryDoor()
        self.door.deploys.enrolled = list(self.door.enrolled.values())
        self.admin = AsgiClient(admin_application(self.door, CollectorRegistry(), VirtualClock(NOON)))
        self.deploys = AsgiClient(deploy_application(self.door.rollouts()))
        made = self.admin.post("/v1/deploy-tokens", json={"name": "github", "seconds": 3600}).json()
        self.token = made["token"]

    def tell(self, body: object = None, **changed: object) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.token}"}
        sent = {**ROLLOUT, **changed} if body is None else body
        answer = self.deploys.post(
            PATH, content=json.dumps(sent), headers={**headers, "content-type": "application/json"}
        )
        return answer.status_code, answer.json()


def test_a_rollout_is_told_and_listed() -> None:
    told = Told()
    status, answer = told.tell()
    assert (status, answer["told_by"], answer["is_new"]) == (200, "github", True)
    assert (answer["unknown_services"], answer["unknown_nodes"]) == (["shop/pay"], ["node-z"])
    assert told.tell(ended="2030-01-01T11:55:00Z")[1]["is_new"] is False
    listed = told.admin.get("/v1/rollouts").json()["rollouts"]
    assert [(one["reference"], one["ended"]) for one in listed] == [("pipeline/812", "2030-01-01T11:55:00Z")]
    assert [json.loads(one)["event"] for one in told.door.deploys.bodies] == ["deploy-token-intent", "rollout-told"]


@pytest.mark.parametrize("token", ["", "tpd_", "tpd_" + "x" * 43, "tpj_" + "x" * 43, "tpd_" + "x" * 5000, "é"])
def test_without_a_token_that_was_made_nothing_is_read(token: str) -> None:
    told = Told()
    answer = told.deploys.post(PATH, content=b"\x00", headers={"authorization": f"Bearer {token}".encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad-deploy-token")


def test_a_token_taken_back_or_expired_tells_nothing() -> None:
    told = Told()
    assert told.admin.post("/v1/deploy-tokens/github/revoke").json()["tokens"] == []
    assert told.tell()[1]["code"] == "bad-deploy-token"
    assert told.admin.post("/v1/deploy-tokens/github/revoke").status_code == 404
    kept = told.door.deploys.made
    told.admin.post("/v1/deploy-tokens", json={"name": "argo", "seconds": 1})
    assert told.admin.post("/v1/deploy-tokens", json={"name": "x", "seconds": 0}).json()["code"] == "bad-token-life"
    assert list(kept) == [] or "argo" in told.door.deploys.made


@pytest.mark.parametrize(
    "changed",
    [
        {"reference": ""},
        {"reference": "x" * (MAX_REFERENCE + 1)},
        {"reference": "a b"},
        {"version": "1\n2"},
        {"version": "$(reboot)"},
        {"version": "\x1b[2J"},
        {"version": "<b>"},
        {"services": [], "nodes": []},
        {"nodes": [f"node-{number}" for number in range(MOST_NODES + 1)]},
        {"started": "2030-01-01T11:50:00"},
        {"started": "0001-01-01T00:00:00+23:00"},
        {"started": "9999-12-31T23:59:59-23:00"},
        {"started": "2030-01-01T12:06:00Z"},
        {"started": "2029-11-01T00:00:00Z"},
        {"ended": "2030-01-01T11:00:00Z"},
        {"ended": "2031-01-01T11:00:00Z"},
    ],
)
def test_a_rollout_that_cannot_be_is_refused_with_its_reason(changed: dict[str, object]) -> None:
    told = Told()
    status, answer = told.tell(**changed)
    assert (status, answer["code"]) == (400, "bad-rollout")
    assert answer["why"]
    assert answer["fix"]
    assert told.door.deploys.kept == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "bad-body"),
        ({"reference": 1}, "bad-body"),
        ({**ROLLOUT, "admin": True}, "bad-body"),
        ({**ROLLOUT, "services": ["no-namespace"]}, "bad-name"),
        ({**ROLLOUT, "nodes": ["Node"]}, "bad-name"),
        ({**ROLLOUT, "version": "1" * MAX_TOLD_BYTES}, "body-too-large"),
    ],
)
def test_a_body_that_is_none_is_refused(body: object, code: str) -> None:
    assert Told().tell(body)[1]["code"] == code


def test_the_same_reference_with_another_content_is_refused() -> None:
    told = Told()
    told.tell()
    assert told.tell(version="1.38.0") == (409, told.tell(version="1.38.0")[1])
    assert told.tell(version="1.38.0")[1]["code"] == "rollout-differs"


def test_tokens_are_made_at_the_socket_alone_and_shown_once() -> None:
    told = Told()
    public = AsgiClient(public_application(told.door, CollectorRegistry(), VirtualClock(NOON)))
    assert public.get("/v1/deploy-tokens").json()["code"] == "unknown-path"
    assert told.token not in told.admin.get("/v1/deploy-tokens").text
    assert told.deploys.get("/v1/deploy-tokens").status_code == 404
    assert told.deploys.get(PATH).status_code == 405


def test_a_body_that_is_refused_points_to_a_page_that_lists_it() -> None:
    told = Told()
    answer = told.tell(services="shop/pay")[1]
    assert (answer["code"], PAGE in answer["fix"]) == ("bad-body", True)
    page = told.deploys.get(PAGE).json()
    assert set(page["paths"]) == {PATH, PAGE}
    assert page["paths"][PATH]["post"]["security"] == [{"deploy": []}]
    assert list(page["components"]["securitySchemes"]) == ["deploy"]
    assert {"reference", "version", "started"} <= set(page["components"]["schemas"]["RolloutRequest"]["required"])


def test_beside_the_console_only_those_paths_are_the_deploy_systems() -> None:
    told = Told()
    both = AsgiClient(beside(told.admin.app, (PATH, PAGE), deploy_application(told.door.rollouts())))
    assert both.post(PATH).json()["code"] == "bad-deploy-token"
    assert both.get("/healthz").status_code == 200
    assert both.get(PAGE).json()["info"]["title"] == "trustplane deploys"
    assert both.post(f"{PATH}/").json()["code"] == "unknown-path"

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.console import FORM_COOKIE, PASSWORD, SESSION_COOKIE, Browser, account
from tests.kit.server_door import NOON
from trustplane.console.guard import HEADERS, Place
from trustplane.people.account import Role
from trustplane.people.attempts import OF_ONE_ACCOUNT, WINDOW
from trustplane.people.session import IDLE, LONGEST

WRONG = "wrong"
FORM_FIELDS = {"name": "ada", "password": PASSWORD, "next": "/"}


@pytest.fixture
def browser() -> Browser:
    return Browser().knows()


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/none", "/static/console.css", "/static/none", "/live", "/pictures/expiry.svg"]
)
def test_every_answer_has_the_headers(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    kept = {name: value for name, value in HEADERS.items() if name != "Cache-Control"}
    assert {name: answer.headers.get(name) for name in kept} == kept
    assert answer.headers["cache-control"] == ("no-cache" if path == "/static/console.css" else "no-store")
    assert "strict-transport-security" not in answer.headers


def test_over_tls_browsers_are_told_to_stay_there() -> None:
    answer = Browser(place=Place(is_tls=True)).get("/sign-in")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_another_name_for_loopback_is_turned_away(browser: Browser) -> None:
    answer = browser.get("/sign-in", host="evil.example")
    assert answer.status_code == 421
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_signing_in_sets_a_cookie_that_only_this_host_gets_and_no_script_reads(browser: Browser) -> None:
    answer = browser.sign_in(wanted="/trust")
    assert (answer.status_code, answer.headers["location"]) == (303, "/trust")
    session, dropped = answer.headers.get_list("set-cookie")
    assert session.startswith(f"{SESSION_COOKIE}=")
    assert session.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict")
    assert dropped.startswith(f"{FORM_COOKIE}=;")
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "/a\nb", ""])
def test_nobody_is_sent_elsewhere_after_signing_in(browser: Browser, wanted: str) -> None:
    assert browser.sign_in(wanted=wanted).headers["location"] == "/"


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(browser: Browser) -> None:
    wrong, unknown = browser.sign_in(password=WRONG), browser.sign_in("nobody")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text
    assert not browser.is_signed_in


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "http://server"},
        {"sec-fetch-site": "same-site", "origin": "http://server"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {},
        {"sec-fetch-site": "same-origin", "content-type": "text/plain"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_page_is_not_taken(browser: Browser, path: str, headers: dict[str, str]) -> None:
    browser.sign_in()
    token = browser.form_token("/sign-in" if path == "/sign-in" else "/")
    browser.headers = headers
    assert browser.post(path, form_token=token, **FORM_FIELDS).status_code == 403
    browser.headers = {"sec-fetch-site": "same-origin"}
    assert browser.post(path, form_token=token, **FORM_FIELDS).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_without_the_token_of_its_session_is_not_taken(browser: Browser, path: str, token: str) -> None:
    browser.sign_in()
    assert browser.post(path, form_token=token, **FORM_FIELDS).status_code == 403
    assert browser.post(path, **FORM_FIELDS).status_code == 403


def test_the_token_of_one_session_is_none_of_another(browser: Browser) -> None:
    browser.sign_in()
    old = browser.form_token("/")
    browser.sign_in()
    assert browser.post("/sign-out", form_token=old).status_code == 403


def test_a_form_that_is_huge_or_says_a_field_twice_is_not_taken(browser: Browser) -> None:
    token = browser.form_token("/sign-in")
    assert browser.post("/sign-in", form_token=token, name="a" * 10_000).status_code == 413
    sent = {**browser.headers, "content-type": "application/x-www-form-urlencoded", **browser._sent()}
    twice = f"form_token={token}&name=ada&name=bob&password=x"
    assert browser.client.post("/sign-in", content=twice, headers=sent).status_code == 403
    assert browser.client.post("/sign-in", content=b"\xff\xfe", headers=sent).status_code == 403


def test_after_too_many_failures_also_the_right_password_waits(browser: Browser) -> None:
    for _ in range(OF_ONE_ACCOUNT):
        assert browser.sign_in(password=WRONG).status_code == 401
    answer = browser.sign_in()
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) <= WINDOW.total_seconds()
    browser.at(NOON + WINDOW + timedelta(seconds=1))
    assert browser.sign_in().status_code == 303


def test_signing_out_ends_the_session_also_for_who_copied_the_cookie(browser: Browser) -> None:
    browser.sign_in()
    copied = dict(browser.cookies)
    answer = browser.post("/sign-out", form_token=browser.form_token("/"))
    assert (answer.status_code, answer.headers["clear-site-data"]) == (303, '"cache", "storage"')
    browser.cookies = copied
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize("passed", [IDLE, LONGEST])
def test_a_session_ends_when_nobody_uses_it_and_after_a_day_of_work(browser: Browser, passed: timedelta) -> None:
    browser.sign_in()
    step = timedelta(minutes=20) if passed is LONGEST else passed
    for number in range(1, passed // step):
        browser.at(NOON + step * number)
        assert browser.get("/").status_code == 200
    browser.at(NOON + passed)
    assert browser.get("/").headers["location"].startswith("/sign-in")


def test_a_page_that_only_refreshes_itself_keeps_nobody_signed_in(browser: Browser) -> None:
    browser.sign_in()
    for minutes in (10, 20, 29):
        browser.at(NOON + timedelta(minutes=minutes))
        assert browser.get("/", **{"console-refresh": "1"}).status_code == 200
    browser.at(NOON + IDLE)
    assert browser.get("/").status_code == 303


def test_another_role_ends_the_session_and_a_forged_cookie_is_nobodys(browser: Browser) -> None:
    browser.sign_in()
    browser.client.run(browser.people.change_account(account(role=Role.AUDITOR)))
    assert browser.get("/").status_code == 303
    for forged in ("x" * 43, "\u00e9", "a" * 1000, "", "../.."):
        sent = {b"cookie": f"{SESSION_COOKIE}={forged}".encode()}
        assert browser.client.get("/", headers=sent).status_code == 303


def test_the_page_for_signing_in_says_nothing_of_the_server(browser: Browser) -> None:
    page = browser.get("/sign-in").text
    assert "server-1" not in page
    assert "9.9" not in page

"""Signing in at a provider: a real one in a process of its own, as it should be and in every way that it is not."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.kit.accessibility import found_wrong
from tests.kit.browser import browser as browser_program
from tests.kit.browser import tab
from tests.kit.console import PASSWORD, Browser, account
from tests.kit.openid_provider import CLIENT, HTTP, SECRET, Running, provider
from tests.kit.server_door import NOON
from trustplane.console.guard import OIDC_COOKIE, SESSION_COOKIE, Place
from trustplane.fault import Refused
from trustplane.flows.people.sign_in_oidc import SignInOidc
from trustplane.main.oidc_file import read_oidc_file
from trustplane.people.account import AccountName, Role
from trustplane.people.attempts import OF_ONE_ACCOUNT, WINDOW
from trustplane.people.oidc import CALLBACK, GroupRole, OidcSettings
from trustplane.wire.http_serve import HttpServer, tcp_listener
from trustplane.wire.oidc_provider import OidcProvider

pytestmark = [pytest.mark.scenario, pytest.mark.network]

GRACE = AccountName("oidc:grace@navy.example")
REDIRECT = f"http://127.0.0.1:8446{CALLBACK}"
CLEAR = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ROLES = (GroupRole("mesh-auditors", Role.AUDITOR), GroupRole("mesh-operators", Role.OPERATOR))


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with provider(NOON) as found:
        yield found


@pytest.fixture
def browser(running: Running) -> Browser:
    running.misbehave()
    return with_provider(Browser(), running.issuer)


def with_provider(of: Browser, issuer: str, secret: str = SECRET, redirect: str = REDIRECT) -> Browser:
    settings = OidcSettings(issuer, CLIENT, redirect, ROLES, secret, "the navy's")
    asked = OidcProvider(settings, CLEAR, of.clock)
    of.provided(lambda sign_in: SignInOidc(settings, asked, of.people, sign_in, of.clock))
    return of


def sent_there(of: Browser, wanted: str = "/trust") -> str:
    """Where the provider sends the browser back to, once its person has agreed."""
    begun = of.get(f"/sign-in/oidc?next={wanted}")
    assert begun.status_code == 303, begun.text
    answer = HTTP.get(begun.headers["location"], follow_redirects=False)
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == REDIRECT
    return f"{back.path}?{back.query}"


def signed_in(of: Browser, wanted: str = "/trust") -> httpx.Response:
    return of.get(sent_there(of, wanted))


def events(of: Browser) -> list[tuple[str, object]]:
    return [(body["event"], body.get("account")) for body in map(json.loads, of.people.bodies)]


def test_someone_with_a_group_that_has_a_role_is_signed_in_and_led_on(browser: Browser) -> None:
    answer = signed_in(browser)
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/trust"' in answer.text
    session, dropped = answer.headers.get_list("set-cookie")
    assert session.startswith(f"{SESSION_COOKIE}=")
    assert session.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict")
    assert dropped.startswith(f"{OIDC_COOKIE}=;")
    assert "oidc:grace@navy.example, operator" in browser.get("/trust").text
    assert "ask for a group at your provider that is auditor here" in browser.get("/audit").text
    assert events(browser) == [("account-intent", str(GRACE)), ("signed-in", str(GRACE))]


def test_what_is_sent_to_the_provider_is_bound_to_this_browser_and_says_no_secret(browser: Browser) -> None:
    begun = browser.get("/sign-in/oidc")
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    secret = browser.cookies[OIDC_COOKIE].partition(".")[0]
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    said = {asked[name][0] for name in ("state", "nonce", "code_challenge")}
    assert len(said) == 3
    assert not any(secret in one or SECRET in one for one in said)
    kept = begun.headers.get_list("set-cookie")[0]
    assert kept.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600")
    browser.get("/sign-in/oidc")
    assert browser.cookies[OIDC_COOKIE].partition(".")[0] != secret


def test_the_page_for_signing_in_offers_it_beside_local_accounts(browser: Browser) -> None:
    assert "Sign in with the navy&#39;s" in browser.get("/sign-in?next=/trust").text
    assert "oidc" not in Browser().get("/sign-in").text
    assert Browser().get("/sign-in/oidc").status_code == 404
    browser.knows()
    assert browser.sign_in().status_code == 303


TOKENS = {
    "a wrong audience": "id-token-audience",
    "several audiences, ours not the one it was issued to": "id-token-audience",
    "several audiences and nobody it was issued to": "id-token-audience",
    "another issuer": "id-token-issuer",
    "alg none": "id-token-algorithm",
    "signed with HMAC by the public key": "id-token-algorithm",
    "signed with EdDSA": "id-token-algorithm",
    "unsigned": "id-token-signature",
    "a key of another kind": "id-token-signature",
    "signed by another key": "id-token-signature",
    "a key that is not published": "id-token-signature",
    "changed after it was signed": "id-token-signature",
    "expired": "id-token-expired",
    "of tomorrow": "id-token-expired",
    "not valid yet": "id-token-expired",
    "of an hour ago": "id-token-expired",
    "an end that is no number": "id-token-malformed",
    "an end beyond all time": "id-token-malformed",
    "a critical extension": "id-token-malformed",
    "a huge token": "id-token-malformed",
    "a claim said twice": "bad-json",
    "a nonce of another sign-in": "id-token-nonce",
    "a nonce that is no text": "id-token-nonce",
    "no nonce": "id-token-nonce",
    "a subject that is no text": "id-token-claims",
    "a name that is no text": "id-token-claims",
    "a name that is a path": "bad-account-name",
    "groups that are no list": "id-token-claims",
    "very many groups": "id-token-claims",
    "groups without a role": "oidc-no-role",
    "no groups": "oidc-no-role",
    "an answer without an ID token": "oidc-provider-answer",
    "an answer that is huge": "oidc-provider-answer",
    "an answer that is packed": "oidc-provider-answer",
    "an answer that redirects": "oidc-provider-answer",
    "an answer of another issuer": "oidc-other-issuer",
    "an answer that names no issuer": "oidc-other-issuer",
    "an answer without a code": "oidc-state",
    "a refusal": "oidc-declined",
}


@pytest.mark.parametrize("wrong", TOKENS)
def test_what_a_provider_must_not_say_signs_nobody_in(browser: Browser, running: Running, wrong: str) -> None:
    running.misbehave(wrong)
    answer = signed_in(browser)
    assert answer.status_code in {400, 401, 403, 502}
    assert f"({TOKENS[wrong]})" in answer.text
    assert 'role="alert"' in answer.text
    assert not browser.is_signed_in
    assert browser.people.kept == {}
    assert events(browser) == [("sign-in-failed", None)]
    running.misbehave()
    assert signed_in(browser).status_code == 200  # nothing of it stays behind


DISCOVERIES = {
    "discovery of another issuer": 502,
    "discovery of an address in the clear": 502,
    "discovery that is huge": 502,
    "discovery that redirects": 502,
    "discovery that is no JSON": 400,
    "discovery that is away": 503,
}


@pytest.mark.parametrize("wrong", DISCOVERIES)
def test_nobody_is_sent_to_a_provider_that_is_not_what_was_configured(
    browser: Browser, running: Running, wrong: str
) -> None:
    running.misbehave(wrong)
    answer = browser.get("/sign-in/oidc")
    assert answer.status_code == DISCOVERIES[wrong]
    assert OIDC_COOKIE not in browser.cookies
    running.misbehave()
    assert signed_in(browser).status_code == 200


def test_a_provider_that_is_not_there_leaves_local_accounts(browser: Browser) -> None:
    away = with_provider(Browser(), "http://127.0.0.1:9").knows()
    answer = away.get("/sign-in/oidc")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "oidc-provider-away" in answer.text
    assert away.sign_in(password=PASSWORD).status_code == 303


def test_a_wrong_client_secret_signs_nobody_in(running: Running) -> None:
    running.misbehave()
    answer = signed_in(with_provider(Browser(), running.issuer, "wrong"))
    assert answer.status_code == 502
    assert "invalid_client" in answer.text


def test_an_answer_is_taken_once_and_only_in_the_browser_that_asked(browser: Browser, running: Running) -> None:
    back = sent_there(browser)
    stranger = with_provider(Browser(), running.issuer)
    assert stranger.get(back).status_code == 401
    stranger.get("/sign-in/oidc")
    assert "(oidc-state)" in stranger.get(back).text
    kept = dict(browser.cookies)
    assert browser.get(back).status_code == 200
    assert "(oidc-state)" in browser.get(back).text  # its cookie is gone
    browser.cookies = kept  # of someone who kept it
    assert "invalid_grant" in browser.get(back).text


@pytest.mark.parametrize("spoil", ["&state=x", "&code=x", "&iss=x"])
def test_what_an_answer_says_twice_it_does_not_say(browser: Browser, spoil: str) -> None:
    assert signed_in_with(browser, spoil) in {401, 400}
    assert not browser.is_signed_in


def signed_in_with(of: Browser, spoil: str) -> int:
    return of.get(sent_there(of) + spoil).status_code


def test_another_group_is_another_role_and_ends_what_was_open(browser: Browser, running: Running) -> None:
    signed_in(browser)
    elsewhere = dict(browser.cookies)
    running.misbehave(groups=["mesh-auditors", "mesh-operators"])
    signed_in(browser)
    assert "oidc:grace@navy.example, auditor" in browser.get("/").text  # the first that fits
    browser.cookies = elsewhere
    assert browser.get("/").status_code == 303
    assert browser.people.kept[GRACE].role is Role.AUDITOR


def test_a_name_that_the_provider_gives_to_somebody_else_is_refused(browser: Browser, running: Running) -> None:
    signed_in(browser)
    browser.cookies.clear()
    running.misbehave(sub="somebody-else")
    answer = signed_in(browser)
    assert answer.status_code == 403
    assert f"trustplane console account remove {GRACE}" in answer.text
    assert not browser.is_signed_in


def test_a_name_of_the_provider_is_never_a_local_account(browser: Browser, running: Running) -> None:
    browser.knows(account(role=Role.AUDITOR))
    running.misbehave("a name that is local")
    signed_in(browser)
    assert "oidc:ada, operator" in browser.get("/").text
    assert browser.people.kept[AccountName("ada")].role is Role.AUDITOR
    browser.cookies.clear()
    assert browser.sign_in("oidc:ada", "").status_code == 401
    with pytest.raises(Refused, match="not-a-local-account"):
        browser.client.run(browser.door.people().add(GRACE, Role.AUDITOR, PASSWORD, "local:ada"))


def test_a_removed_account_is_cut_off_at_once(browser: Browser) -> None:
    signed_in(browser)
    browser.client.run(browser.people.remove_account(GRACE))
    assert browser.get("/").status_code == 303


def test_a_token_signed_on_a_curve_is_as_good_and_keys_are_not_asked_for_at_will(
    browser: Browser, running: Running
) -> None:
    running.misbehave("signed on a curve")
    assert signed_in(browser).status_code == 200
    asked = running.key_requests()
    for _ in range(3):
        running.misbehave("a key that is not published")
        signed_in(browser)
    assert running.key_requests() == asked
    browser.at(NOON + timedelta(seconds=31))  # the provider may have new ones by now
    signed_in(browser)
    assert running.key_requests() == asked + 1


def test_after_too_many_failures_an_address_waits_without_the_provider_being_asked(
    browser: Browser, running: Running
) -> None:
    for _ in range(OF_ONE_ACCOUNT):
        assert browser.get(f"{CALLBACK}?state=x&code=y").status_code == 401
    answer = signed_in(browser)
    assert answer.status_code == 429
    browser.at(NOON + WINDOW + timedelta(seconds=1))
    running.misbehave("a refusal")
    assert "(oidc-declined)" in signed_in(browser).text


async def in_a_browser(running: Running) -> None:
    """The provider is another site: a strict cookie is not sent along by who comes from there."""
    of = Browser(place=Place(is_tls=False, hosts=frozenset({"127.0.0.1"})))
    listener = tcp_listener("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with_provider(of, running.issuer, redirect=f"{url}{CALLBACK}")
    serving = asyncio.create_task(HttpServer(of.client.app, listener).run_until_cancelled())
    try:
        async with tab(browser_program()) as page:
            await page.go(f"{url}/trust")
            assert await found_wrong(page) == []
            await page.run("document.querySelector('.act-link').click()")
            await page.until("document.title === 'Provider'")
            await page.run("document.getElementById('yes').click()")
            await page.until("location.pathname === '/trust' && document.readyState === 'complete'")
            assert await page.run("document.querySelector('.out').textContent.includes('oidc:grace@navy.example')")
            kept = {one["name"]: one for one in (await page.call("Network.getAllCookies"))["cookies"]}
            assert kept[SESSION_COOKIE]["sameSite"] == "Strict"
            assert OIDC_COOKIE not in kept
            assert page.complaints == []
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def test_a_real_browser_goes_to_another_site_and_comes_back_signed_in() -> None:
    with provider(NOON, "127.0.0.2") as running:
        asyncio.run(in_a_browser(running))


FILE = """\
issuer: https://id.example.org
client_id: trustplane
client_secret_file: secret
redirect_uri: https://console.example.org/sign-in/oidc/callback
roles:
  - {group: mesh-auditors, role: auditor}
  - {group: mesh-operators, role: operator}
"""


def test_the_file_of_settings_is_read_with_its_secret_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "oidc.yaml").write_text(FILE)
    settings, authorities = read_oidc_file(tmp_path / "oidc.yaml")
    assert (settings.roles, settings.client_secret, authorities) == (ROLES, SECRET, None)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("https://id", "http://id", "bad-oidc-settings"),
        ("issuer: https://id.example.org", "issuer: https://id.example.org/?x", "bad-oidc-settings"),
        ("/sign-in/oidc/callback", "/", "bad-oidc-settings"),
        ("role: auditor", "role: admiral", "unknown-value"),
        ("client_id: trustplane\n", "", "missing-key"),
        ("client_id", "client-id", "unknown-key"),
        ("client_secret_file: secret", "client_secret_file: none", "file-unreadable"),
        ("  - {group: mesh-auditors, role: auditor}\n  - {group: mesh-operators, role: operator}\n", "  []\n", "bad-"),
        ("roles:", "scopes: [profile]\nroles:", "bad-oidc-settings"),
        ("issuer:", "&a issuer:", "yaml"),
    ],
)
def test_settings_that_would_not_work_are_refused_by_place(tmp_path: Path, old: str, new: str, code: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    assert old in FILE
    (tmp_path / "oidc.yaml").write_text(FILE.replace(old, new))
    with pytest.raises(Refused, match=code):
        read_oidc_file(tmp_path / "oidc.yaml")

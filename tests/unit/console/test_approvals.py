from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.console import Browser, account
from tests.kit.dry_runs import GOOD, SHOWN
from tests.kit.server_door import NOON, WEB, MemoryDoor, certificate
from trustplane.people.account import Account, AccountName, Role
from trustplane.people.person import Person
from trustplane.people.proposal import Phase, Proposal
from trustplane.people.session import FRESH

REVOKE = "/propose/revoke-id"
ROOT = "/propose/start-root-change"


def fleet(**accounts: Role) -> Browser:
    door = MemoryDoor(standing=GOOD)
    door.certificates.append(certificate(0xABC))
    known = [account(name, role) for name, role in accounts.items()]
    return Browser(door).knows(*known).applied()


def people() -> Browser:
    return fleet(ada=Role.OPERATOR, grace=Role.APPROVER, eve=Role.VIEWER)


def sent(one: Browser, path: str, **fields: str) -> int:
    return one.post(path, form_token=one.form_token("/"), **fields).status_code


def proposed(one: Browser, name: str = "ada") -> Proposal:
    one.sign_in(name)
    assert sent(one, REVOKE, of=str(WEB), reason="privilege-withdrawn", why="left the company") == 303
    return one.door.proposed.kept[max(one.door.proposed.kept)]


def decide(one: Browser, of: Proposal, decision: str, word: str = "looked at its callers", digest: str = "") -> int:
    return sent(one, f"/proposals/{of.number}", decision=decision, word=word, digest=digest or of.digest)


def phase(one: Browser, number: int = 1) -> Phase:
    return one.door.proposed.kept[number].phase


def test_an_operator_proposes_where_it_belongs_and_an_approver_has_it_done() -> None:
    one = people()
    one.sign_in("ada")
    assert f"{REVOKE}?of=spiffe" in one.get("/services/shop/web").text
    asked = one.get(f"{REVOKE}?of={WEB}").text
    assert "Its certificate on node-a is refused by every proxy" in asked
    of = proposed(one)
    assert not one.door.revoked.ids
    one.sign_in("grace")
    assert "1 proposal waits for an approval" in one.get("/").text
    assert 'href="/proposals/1"' in one.get("/proposals").text
    page = one.get("/proposals/1").text
    assert of.digest in page
    assert "Approve, and have it done" in page
    assert decide(one, of, "approve") == 303
    [revoked] = one.door.revoked.ids
    assert revoked.cause.by == "console:ada, approved by console:grace (proposal 1)"
    page = one.get("/proposals/1").text
    assert "carried out" in page
    assert "looked at its callers" in page
    assert "Decide</h2>" not in page
    assert "wait" not in one.get("/").text.partition("The fleet")[0].partition("What needs you")[2]
    assert decide(one, of, "approve") == 409
    assert len(one.door.revoked.ids) == 1


def test_a_change_of_root_is_proposed_with_its_plan_and_begins_when_approved() -> None:
    one = people()
    one.sign_in("ada")
    assert f'href="{ROOT}"' in one.get("/trust").text
    assert "The plan, as things are" in one.get(ROOT).text
    assert sent(one, ROOT, why="yearly rotation", of="") == 303
    of = one.door.proposed.kept[1]
    one.sign_in("grace")
    assert "verify-again" in one.get("/proposals/1").text
    assert decide(one, of, "approve") == 303
    assert one.door.changes[0].by.endswith("approved by console:grace (proposal 1)")


def test_a_promotion_says_what_is_in_its_way_and_is_proposed_when_nothing_is() -> None:
    one = people()
    one.sign_in("ada")
    one.door.standing = SHOWN
    path = f"/propose/promote-dry-run?of={GOOD.run.id}"
    page = one.get(path).text
    assert "What is in its way" in page
    assert "dry-run-unexpected-denial" in page
    fields = {"of": GOOD.run.id, "hours": "24", "least": "1", "expected": "", "why": "shown enough"}
    assert sent(one, "/propose/promote-dry-run", **fields) == 400
    one.door.standing = GOOD
    assert "becomes revision 2" in one.get(path).text
    assert sent(one, "/propose/promote-dry-run", **{**fields, "of": "6-none"}) == 409
    assert sent(one, "/propose/promote-dry-run", **{**fields, "hours": "many"}) == 400
    assert sent(one, "/propose/promote-dry-run", **fields) == 303


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.AUDITOR])
def test_whoever_is_no_operator_proposes_nothing(role: Role) -> None:
    one = fleet(ada=role)
    one.sign_in("ada")
    for path in ("/trust", "/dry-run", "/services/shop/web"):
        assert "/propose/" not in one.get(path).text
    assert one.get(f"{REVOKE}?of={WEB}").status_code == 403
    assert sent(one, REVOKE, of=str(WEB), reason="superseded", why="x") == 403
    assert one.door.proposed.kept == {}


@pytest.mark.parametrize("name", ["ada", "eve"])
def test_whoever_is_no_approver_decides_nothing(name: str) -> None:
    one = people()
    of = proposed(one)
    one.sign_in(name)
    assert "Approve, and" not in one.get("/proposals/1").text
    assert decide(one, of, "approve") == 403
    assert decide(one, of, "refuse") == 403
    assert phase(one) is Phase.PROPOSED


def test_who_became_an_approver_after_proposing_does_not_approve_it() -> None:
    one = people()
    of = proposed(one)
    asyncio.run(one.people.change_account(replace(account("ada", Role.APPROVER), changed_at=NOON)))
    provider = Account(AccountName("oidc:Ada@x.example"), Role.APPROVER, account().password, "oidc", NOON, NOON, "i s")
    asyncio.run(one.people.add_account(provider))
    one.sign_in("ada")
    assert "not by you" in one.get("/proposals/1").text
    assert decide(one, of, "approve") == 403
    one.sign_in("oidc:Ada@x.example")
    assert decide(one, of, "approve") == 403
    assert one.door.revoked.ids == ()


def test_an_old_sign_in_refuses_but_does_not_approve() -> None:
    one = people()
    of = proposed(one)
    one.sign_in("grace")
    one.at(NOON + FRESH)
    page = one.get("/proposals/1").text
    assert 'href="/sign-in?next=/proposals/1"' in page
    assert "Approve, and" not in page
    answer = one.post("/proposals/1", form_token=one.form_token("/"), decision="approve", word="seen", digest=of.digest)
    assert (answer.status_code, "sign-in-too-old" in answer.text) == (403, True)
    assert one.door.revoked.ids == ()
    assert decide(one, of, "refuse", "not today") == 303
    assert phase(one) is Phase.REFUSED


def test_what_was_not_read_is_not_approved_nor_without_a_word() -> None:
    one = people()
    of = proposed(one)
    one.sign_in("grace")
    assert decide(one, of, "approve", digest="0" * 64) == 409
    assert decide(one, of, "approve", word="") == 400
    assert decide(one, of, "launch") == 404
    assert one.door.revoked.ids == ()


def test_its_proposer_withdraws_it_and_nobody_else() -> None:
    one = fleet(ada=Role.OPERATOR, bob=Role.OPERATOR)
    of = proposed(one)
    one.sign_in("bob")
    assert decide(one, of, "withdraw") == 403
    one.sign_in("ada")
    assert "Withdraw it" in one.get("/proposals/1").text
    assert decide(one, of, "withdraw") == 303
    assert phase(one) is Phase.WITHDRAWN


def test_a_decision_is_taken_only_from_our_own_page_of_this_session() -> None:
    one = people()
    of = proposed(one)
    one.sign_in("grace")
    token = one.form_token("/")
    fields = {"decision": "approve", "word": "seen", "digest": of.digest}
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {}):
        one.headers = headers
        assert one.post("/proposals/1", form_token=token, **fields).status_code == 403
    one.headers = {"sec-fetch-site": "same-origin"}
    assert one.post("/proposals/1", form_token="0" * 64, **fields).status_code == 403
    one.cookies.clear()
    assert one.post("/proposals/1", form_token=token, **fields).status_code == 401
    assert phase(one) is Phase.PROPOSED


def test_a_broken_glass_is_told_of_on_the_first_page_for_a_week() -> None:
    one = people()

    act = proposed(one).act

    async def alone() -> None:
        async with one.door.proposals().broken_glass(act, Person("local:bob"), "nobody is <awake>"):
            pass

    asyncio.run(alone())
    one.at(NOON + timedelta(seconds=5))
    page = one.get("/").text
    assert "local:bob broke the glass" in page
    assert "nobody is &lt;awake&gt;" in page
    assert "glass broken" in one.get("/proposals").text
    one.at(NOON + timedelta(days=8))
    one.sign_in("grace")
    assert "broke the glass" not in one.get("/").text


def test_what_is_not_there_is_not_found() -> None:
    one = people()
    one.sign_in("ada")
    for path in ("/proposals/7", "/proposals/first", "/propose/launch"):
        assert one.get(path).status_code == 404
    assert "Nothing waits." in one.get("/proposals").text

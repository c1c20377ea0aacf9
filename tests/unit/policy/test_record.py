"""What the audit log says of policies: enough to prove which repository they come from."""

from __future__ import annotations

from tests.kit.policies import FILES, FOLDER, policy_book
from trustplane.policy.record import differences, plain, records

POLICY = '@id("a") permit (principal in Namespace::"shop", action == Action::"charge", resource);'


def test_the_same_repository_has_the_same_record() -> None:
    assert records(policy_book(POLICY)) == records(policy_book(POLICY))
    assert not differences(plain(records(policy_book(POLICY))), records(policy_book(POLICY)))


def test_without_policies_nothing_is_listed_and_the_digest_says_so() -> None:
    found = records(policy_book())
    assert (found.count, found.listed) == (0, ())
    assert found.digest != records(policy_book(POLICY)).digest


def test_what_differs_is_said_by_service() -> None:
    before = plain(records(policy_book(POLICY)))
    spaced = records(policy_book(POLICY.replace("permit (", "permit(")))
    assert differences(before, spaced) == ["shop/payments: not what was recorded: its Cedar"]
    member = records(policy_book(POLICY, **{"services/shop/new/service.yaml": "selectors: [unix:uid:7]"}))
    (difference,) = differences(before, member)
    assert difference.endswith("groups and operations it was compiled with, what proxies are sent")
    assert differences(before, records(policy_book())) == [
        "shop/payments had a policy when it was recorded, and has none here"
    ]
    assert differences(plain(records(policy_book())), records(policy_book(POLICY))) == [
        "shop/payments has a policy here, and had none when it was recorded"
    ]


def test_operations_and_guard_rails_are_part_of_it() -> None:
    before = records(policy_book(POLICY)).listed[0]
    service = FILES[FOLDER + "service.yaml"].replace("any: PUT /*", "any: PUT /x/*")
    assert records(policy_book(POLICY, **{FOLDER + "service.yaml": service})).listed[0].entities == before.entities
    renamed = FILES[FOLDER + "service.yaml"].replace("any: PUT /*", "other: PUT /*")
    assert records(policy_book(POLICY, **{FOLDER + "service.yaml": renamed})).listed[0].entities != before.entities
    guarded = policy_book(
        POLICY,
        **{
            "guardrails.cedar": '@id("g") @owner("x") forbid (principal == Service::"shop/web", '
            'action == Action::"charge", resource);',
            "guardrails_test.yaml": "cases: [{to: shop/payments, as: shop/web, operation: charge, expect: deny, "
            "because: g}]",
        },
    )
    after = records(guarded).listed[0]
    assert after.source != before.source
    assert after.compiled != before.compiled

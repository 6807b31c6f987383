"""What an operator decides on pages, without a browser: asked about first, decided once, with a reason where one is owed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from shared.contracts.suspense import DecideSuspenseItem
from shared.contracts.withdrawals import DecideWithdrawal, ListWithdrawals
from tests.integration.admin_world import ITEM, LIST, NOON, PAYMENT, WITHDRAWAL, Desk, admin_cookie, withdrawal_view
from tests.integration.gateway_world import World, gateway_world, one_story, silent
from tests.integration.pages_world import hidden

ONE = f"{LIST}/{WITHDRAWAL}"
SUSPENDED = f"/en/admin/suspense/{ITEM}"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def desk(running: World) -> AsyncIterator[Desk]:
    async with one_story(running) as story:
        yield Desk(story)


async def form_of(desk: Desk, decision: str, path: str = ONE, more: str = "") -> dict[str, str]:
    """The hidden fields of the page that asks about it."""
    answer = await desk.page(f"{path}?decide={decision}{more}")
    assert answer.status_code == 200
    fields = hidden(answer)
    assert fields["decision"] == decision
    return fields


# ---- withdrawals


async def test_the_list_shows_what_waits_and_offers_what_may_be_decided(desk: Desk) -> None:
    page = (await desk.page()).text
    (asked,) = desk.world.stand_ins.asked_of(ListWithdrawals)
    assert asked.status == "pending", "without a choice: what there is to do"
    assert "RSD\u00a0500.00" in page
    assert "****8995" in page
    for decision in ("approve", "reject"):
        assert f'href="{ONE}?decide={decision}&amp;status=pending"' in page.replace("&status", "&amp;status")
    assert 'href="/en/admin/withdrawals?status=pending&amp;cursor=further%26on"' in page, "older ones"
    await desk.page(f"{LIST}?status=&cursor=further%26on")
    asked = desk.world.stand_ins.asked_of(ListWithdrawals)[1]
    assert (asked.status, asked.cursor) == (None, "further&on")


async def test_an_approval_is_asked_about_and_leads_back_to_the_list_as_it_was(desk: Desk) -> None:
    fields = await form_of(desk, "approve", more="&status=&cursor=abc")
    answer = await desk.send(ONE, fields)
    assert answer.status_code == 303
    back = answer.headers["location"]
    assert back == f"{LIST}?status=&cursor=abc&decided={WITHDRAWAL}"
    (command,) = desk.decisions()
    assert (command.decision, command.actor_user_id, command.actor_is_admin, command.reason) == ("approve", "9", True, None)
    assert command.idempotency.key_hash is not None
    page = (await desk.page(back)).text
    assert re.search(r"The withdrawal of RSD\u00a0500\.00 by &lt;b&gt;7&lt;/b&gt; is now:.*?Approved", page, re.S)
    assert "user 9, <time" in page, "who decided, and when"

    twice = await desk.send(ONE, fields)
    assert (twice.status_code, twice.headers["location"]) == (303, back)
    first, second = desk.decisions()
    assert first.idempotency == second.idempotency, "a double click is one decision"


@pytest.mark.parametrize(("reason", "message"), [("", "Say why."), ("   ", "Say why."), ("x" * 501, "Say it in at most 500 characters.")])
async def test_nothing_is_rejected_without_a_reason(desk: Desk, reason: str, message: str) -> None:
    answer = await desk.send(ONE, await form_of(desk, "reject") | {"reason": reason})
    assert answer.status_code == 422
    assert message in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{reason}"' in answer.text, "what was entered is still there"
    assert desk.decisions() == []
    again = await desk.send(ONE, hidden(answer) | {"reason": " closed "})
    assert again.status_code == 303
    assert desk.decisions()[0].reason == "closed"


async def test_payouts_by_hand_are_told_with_their_reference(desk: Desk) -> None:
    desk.withdrawal = withdrawal_view(status="sending", method="manual", possible=("mark_paid", "mark_failed"))
    page = (await desk.page(ONE)).text
    assert "by hand" in page
    assert re.findall(r"decide=(\w+)", page) == ["mark_paid", "mark_failed"]
    fields = await form_of(desk, "mark_paid")
    missing = await desk.send(ONE, fields)
    assert missing.status_code == 422
    assert "Enter the bank&#39;s or the provider&#39;s reference." in missing.text
    assert (await desk.send(ONE, fields | {"reference": "BANK-1", "reason": "not asked for"})).status_code == 303
    (command,) = desk.decisions()
    assert (command.decision, command.reference, command.reason) == ("mark_paid", "BANK-1", None)


async def test_what_cannot_be_decided_is_not_asked_about(desk: Desk) -> None:
    desk.withdrawal = withdrawal_view(status="paid", possible=())
    for decision in ("approve", "cancel", "anything"):
        page = (await desk.page(f"{ONE}?decide={decision}")).text
        assert 'name="decision"' not in page
    unknown = await desk.send(ONE, {"csrf_token": hidden(await desk.page())["csrf_token"], "decision": "cancel"})
    assert unknown.status_code == 422
    assert desk.decisions() == []


async def test_nobody_is_offered_to_decide_about_their_own(desk: Desk) -> None:
    desk.withdrawal = withdrawal_view(user_id="9")
    for path in (LIST, ONE, f"{ONE}?decide=approve"):
        page = (await desk.page(path)).text
        assert "data-dialog" not in page
        assert 'name="decision"' not in page
    assert "It is your own withdrawal: another admin has to decide." in (await desk.page(ONE)).text


@pytest.mark.parametrize("code", ["withdrawal_not_pending", "withdrawal_final", "forbidden", "idempotency_key_reused"])
async def test_a_decision_that_came_too_late_is_told_with_how_it_is_now(desk: Desk, code: str) -> None:
    fields = await form_of(desk, "approve")
    desk.refusal = code
    desk.withdrawal = withdrawal_view(status="rejected", possible=())
    answer = await desk.send(ONE, fields)
    assert answer.status_code == {"forbidden": 403, "idempotency_key_reused": 422}.get(code, 409)
    assert 'role="alert"' in answer.text
    assert "Rejected" in answer.text
    assert 'name="decision"' not in answer.text


@pytest.mark.parametrize("path", [ONE, SUSPENDED])
async def test_the_second_click_while_the_first_is_worked_on_leads_where_that_one_leads(desk: Desk, path: str) -> None:
    fields = await form_of(desk, "approve" if path == ONE else "write_off", path) | {"reference": "B-1", "reason": "agreed"}
    desk.refusal = "idempotency_key_in_use"
    second = await desk.send(path, fields)
    desk.refusal = None
    first = await desk.send(path, fields)
    assert (second.status_code, second.headers.get("location")) == (303, first.headers["location"])


async def test_silence_is_no_harm_the_list_says_how_far_it_is(desk: Desk) -> None:
    fields = await form_of(desk, "approve")
    desk.world.stand_ins.answers[DecideWithdrawal] = silent
    answer = await desk.send(ONE, fields)
    assert answer.status_code == 303
    assert "is now:" in (await desk.page(answer.headers["location"])).text


async def test_a_form_of_another_site_or_another_person_decides_nothing(desk: Desk) -> None:
    fields = await form_of(desk, "approve")
    for sent in (fields | {"csrf_token": "x"}, {name: value for name, value in fields.items() if name != "csrf_token"}):
        assert (await desk.send(ONE, sent)).status_code == 403
    assert (await desk.send(ONE, fields, **admin_cookie(role="student"))).status_code == 403
    foreign = await desk.send(ONE, fields, **admin_cookie(), Origin="https://evil.example")
    assert foreign.status_code == 403
    assert desk.decisions() == []


async def test_what_is_unknown_is_not_found(desk: Desk) -> None:
    for path in (f"{LIST}/{PAYMENT}", f"{LIST}/%00", f"{LIST}/x", f"/en/admin/suspense/{PAYMENT}", "/en/admin/suspense/x"):
        assert (await desk.page(path)).status_code == 404


async def test_what_was_decided_is_told_with_by_whom(desk: Desk) -> None:
    page = (await desk.page(ONE)).text
    assert "withdrawal.reject" in page
    assert "&lt;i&gt;closed&lt;/i&gt;" in page
    assert f'datetime="{NOON:%Y-%m-%dT%H:%M}' in page


# ---- suspense


async def test_money_in_suspense_is_given_to_a_user(desk: Desk) -> None:
    shown = (await desk.page("/en/admin/suspense")).text
    assert "Paid a second time" in shown
    fields = await form_of(desk, "assign_user", SUSPENDED)
    empty = await desk.send(SUSPENDED, fields | {"user_id": " "})
    assert empty.status_code == 422
    assert "Enter a user ID." in empty.text
    answer = await desk.send(SUSPENDED, fields | {"user_id": "7", "reason": "not asked for"})
    assert (answer.status_code, answer.headers["location"]) == (303, SUSPENDED)
    (command,) = desk.world.stand_ins.asked_of(DecideSuspenseItem)
    assert (command.decision, command.user_id, command.actor_user_id, command.reason) == ("assign_user", "7", "9", None)
    after = (await desk.page(SUSPENDED)).text
    assert "Assigned" in after
    assert "user 9" in after
    assert "data-dialog" not in after
    twice = await desk.send(SUSPENDED, fields | {"user_id": "7"})
    assert twice.status_code == 303
    first, second = desk.world.stand_ins.asked_of(DecideSuspenseItem)
    assert (first.idempotency, first.decision_id) == (second.idempotency, second.decision_id), "a double click is one decision"


async def test_a_payment_that_does_not_fit_is_told_beside_its_field(desk: Desk) -> None:
    fields = await form_of(desk, "assign_payment", SUSPENDED)
    desk.refusal = "amount_mismatch"
    answer = await desk.send(SUSPENDED, fields | {"payment_id": str(PAYMENT)})
    assert answer.status_code == 400
    assert '<p class="wrong" id="payment_id-error">The sums do not match.</p>' in answer.text
    assert f'value="{PAYMENT}"' in answer.text


async def test_it_is_sent_back_or_written_off_as_the_api_would(desk: Desk) -> None:
    off = await form_of(desk, "write_off", SUSPENDED)
    bare = await desk.send(SUSPENDED, off)
    assert bare.status_code == 422
    assert "Say why." in bare.text
    desk.refusal = "refund_not_supported"
    refused = await desk.send(SUSPENDED, await form_of(desk, "refund", SUSPENDED))
    assert refused.status_code == 422
    assert "This provider cannot send money back." in refused.text
    desk.refusal = None
    assert (await desk.send(SUSPENDED, off | {"reference": "B-1", "reason": "agreed"})).status_code == 303
    command = desk.world.stand_ins.asked_of(DecideSuspenseItem)[-1]
    assert (command.decision, command.reference, command.reason) == ("write_off", "B-1", "agreed")

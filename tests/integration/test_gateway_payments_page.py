"""The list of payments and the page of one: who sees what, what can be done about it, and the road that it has taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.contracts.base import new_id, utc_now
from shared.contracts.checkout import ListMethods, MethodsView
from shared.contracts.history import ListedPayment, ListPayments, PaymentList
from shared.contracts.intents import CancelPayment, ConfirmPayment, PaymentCanceled, PaymentConfirmed
from shared.contracts.payment_commands import CommandReply
from tests.integration.gateway_world import World, gateway_world, method_view, one_story, refused, silent
from tests.integration.pages_world import assert_nothing_inline, hidden
from tests.integration.payment_page_world import ADMIN, BODY, MENTOR, PATH, PAYER, PAYMENT, SESSION, STRANGER, Desk, text_of

LIST = "/en/payments"
PENDING = {"status": "pending", "credit_reference": None}


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:

        async def methods(_: ListMethods) -> MethodsView:
            can = {"stripe": ("refund", "status", "cancel"), "mock": ("refund", "status"), "prodamus": ()}
            return MethodsView(methods=tuple(method_view(name, capabilities=what) for name, what in can.items()))

        # Asked once a minute only.
        started.stand_ins.answers[ListMethods] = methods
        assert (await started.http.get("/api/v1/config")).status_code == 200
        yield started


@pytest.fixture
async def desk(running: World) -> AsyncIterator[Desk]:
    async with one_story(running) as story:
        yield Desk(story)


def listed(**changes: Any) -> ListedPayment:
    fields: dict[str, Any] = {
        "payment_id": new_id(), "session_id": new_id(), "user_id": PAYER, "mentor_id": None, "coaching_session_id": None, "kind": "deposit",
        "method": "mock", "status": "completed", "amount_minor": 123_456, "currency": "rsd", "credit_reference": None, "description": "",
        "created_at": utc_now(), "updated_at": utc_now(),
    }  # fmt: skip
    return ListedPayment(**fields | changes)


def lists(desk: Desk, *items: ListedPayment, next_cursor: str | None = None) -> None:
    async def answer(_: ListPayments) -> PaymentList:
        return PaymentList(items=items, next_cursor=next_cursor)

    desk.world.stand_ins.answers[ListPayments] = answer


# ---- the list


async def test_the_list_tells_what_each_payment_is(desk: Desk) -> None:
    lists(desk, listed(description="<b>"), listed(user_id="77", mentor_id=MENTOR, kind="payment", status="disputed"), listed(user_id=None))
    page = await desk.look(MENTOR, LIST)
    told = " ".join(text_of(page, "payments").split())
    for words in ("&lt;b&gt;", "RSD 1,234.56", "Completed", "Test payment", "of 77", "Disputed", "of a guest", "Top-up"):
        assert words in told, words
    assert_nothing_inline(page.text)
    (asked,) = desk.world.stand_ins.asked_of(ListPayments)
    assert (asked.user_id, asked.limit, asked.cursor, asked.status) == (MENTOR, 20, None, None)


async def test_what_is_asked_for_goes_on_from_page_to_page(desk: Desk) -> None:
    lists(desk, listed(), next_cursor="next+one")
    query = "status=completed&from=2026-01-02&until=2026-01-31&external_id=a%26b&all=true&zone=Europe%2FBelgrade"
    page = await desk.look(ADMIN, f"{LIST}?{query}")
    (older,) = [line for line in page.text.splitlines() if 'rel="next"' in line]
    address = older.split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()} == {
        **{name: value for name, (value,) in parse_qs(query).items()},
        "cursor": "next+one",
    }
    lists(desk)
    last = await desk.look(ADMIN, address)
    assert "No payments match these filters." in last.text
    assert "Newest" in last.text
    first, second = desk.world.stand_ins.asked_of(ListPayments)
    assert (first.user_id, first.status, first.external_id) == (None, "completed", "a&b")
    assert (first.since, first.until) == (datetime(2026, 1, 1, 23, tzinfo=UTC), datetime(2026, 1, 31, 23, tzinfo=UTC))
    assert (second.cursor, second.user_id, second.status, second.external_id) == ("next+one", None, "completed", "a&b")
    assert (second.since, second.until) == (first.since, first.until)


async def test_everybodys_are_an_admins_to_see(desk: Desk) -> None:
    lists(desk)
    assert (await desk.look(MENTOR, f"{LIST}?all=true")).status_code == 403
    assert desk.world.stand_ins.asked_of(ListPayments) == []
    mine, guests = await desk.look(PAYER, LIST), await desk.world.http.get(LIST, headers={"Accept": "text/html"})
    assert 'name="all"' not in mine.text
    assert "There are no payments yet." in mine.text
    assert (guests.status_code, guests.headers["location"]) == (303, "/en/login?next=%2Fen%2Fpayments")


async def test_days_that_are_none_are_told_beside_their_field(desk: Desk) -> None:
    lists(desk)
    for query, field in (("from=2026-02-30", "from"), ("from=2026-03-01&until=2026-02-01", "until")):
        answer = await desk.look(PAYER, f"{LIST}?{query}")
        assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True)


# ---- one payment


async def test_payer_mentor_and_admin_see_it_and_nobody_else(desk: Desk) -> None:
    pages = {who: await desk.look(who) for who in (PAYER, MENTOR, ADMIN, STRANGER)}
    assert {who: page.status_code for who, page in pages.items()} == {PAYER: 200, MENTOR: 200, ADMIN: 200, STRANGER: 404}
    assert all("Lesson &lt;b&gt;" in pages[who].text for who in (PAYER, MENTOR, ADMIN))
    guest = await desk.world.http.get(PATH, headers={"Accept": "text/html"})
    assert guest.headers["location"].startswith("/en/login?next=")
    assert (await desk.look(PAYER, "/en/payments/not-ours")).status_code == 404
    by_session = await desk.look(PAYER, f"/en/payments/{SESSION}")
    assert by_session.headers["location"] == PATH


async def test_a_payment_that_the_wallet_has_not_booked_yet_is_pending(desk: Desk) -> None:
    desk.world.stand_ins.posted = False
    page = await desk.look(PAYER)
    assert "Pending" in text_of(page, "status")
    assert "data-waiting" in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    desk.world.stand_ins.posted = True
    assert 'http-equiv="refresh"' not in (await desk.look(PAYER)).text


async def test_the_road_shows_the_steps_and_raw_events_to_admins_alone(desk: Desk) -> None:
    for who in (PAYER, MENTOR, ADMIN):
        page = await desk.look(who)
        road = page.text[page.text.index('id="road"') :]
        assert road.count('<li class="stop">') == 2
        for words in ("Payment requested", "The provider&#39;s message came in", "+12 ms", "evt_1"):
            assert words in road, words
        assert ("webhook-id" in road, BODY.replace('"', "&#34;") in road) == ((who == ADMIN,) * 2)


async def test_who_has_begun_to_pay_goes_on_or_gives_up(desk: Desk) -> None:
    desk.changes = {**PENDING, "method": "stripe", "payment_url": "http://localhost:8000/en/pay/1"}
    ways = {"goes on": 'href="/en/pay/1"', "asks": f'action="{PATH}/confirm"', "gives up": f'action="{PATH}/cancel"'}
    shown = {who: [name for name, markup in ways.items() if markup in page.text] for who, page in [(w, await desk.look(w)) for w in "129"]}
    assert shown == {PAYER: ["goes on", "asks", "gives up"], MENTOR: [], ADMIN: ["asks", "gives up"]}
    desk.changes["method"] = "mock"
    assert ways["asks"] not in (await desk.look(PAYER)).text, "asked, the mock would pay: its own page decides"
    desk.changes |= {"method": "prodamus", "payment_url": "javascript:alert(1)"}
    page = await desk.look(PAYER)
    assert ways["asks"] not in page.text, "Prodamus cannot be asked"
    assert "javascript:" not in page.text


async def test_giving_up_is_asked_once_more_and_then_done(desk: Desk) -> None:
    async def canceled(command: CancelPayment) -> CommandReply[PaymentCanceled]:
        desk.changes["status"] = "canceled"
        return CommandReply(answer=PaymentCanceled(payment_id=PAYMENT, amount_minor=5_000, currency="rsd", method="stripe"))

    desk.world.stand_ins.answers[CancelPayment] = canceled
    desk.changes = dict(PENDING)
    fields = hidden(await desk.look(PAYER))
    asked = await desk.send({**fields, "confirmed": ""}, PAYER, f"{PATH}/cancel")
    assert "Cancel this payment?" in asked.text
    assert desk.world.stand_ins.asked_of(CancelPayment) == []
    done = await desk.send({**hidden(asked), "confirmed": "yes"}, PAYER, f"{PATH}/cancel")
    assert (done.status_code, done.headers["location"]) == (303, PATH)
    assert "Canceled" in text_of(await desk.look(PAYER), "status")
    (command,) = desk.world.stand_ins.asked_of(CancelPayment)
    assert (command.user_id, command.is_admin) == (PAYER, False)
    assert (await desk.send({"confirmed": "yes"}, PAYER, f"{PATH}/cancel")).status_code == 403, "not by another site's form"
    assert (await desk.look(PAYER, f"{PATH}/cancel")).headers["location"] == PATH


async def test_what_cannot_be_given_up_any_more_is_told_on_the_page(desk: Desk) -> None:
    async def paid(command: CancelPayment) -> Any:
        desk.changes = {}
        return CommandReply(answer=refused("already_paid", command))

    desk.world.stand_ins.answers[CancelPayment] = paid
    desk.changes = dict(PENDING)
    answer = await desk.send({**hidden(await desk.look(PAYER)), "confirmed": "yes"}, PAYER, f"{PATH}/cancel")
    assert (answer.status_code, "This has been paid already." in text_of(answer, "outcome")) == (409, True)
    assert "Completed" in text_of(answer, "status")


async def test_the_provider_is_asked_and_its_silence_is_told(desk: Desk) -> None:
    async def pending(command: ConfirmPayment) -> CommandReply[PaymentConfirmed]:
        told = PaymentConfirmed(payment_id=PAYMENT, status="pending", amount_minor=5_000, currency="rsd", method="stripe")
        return CommandReply(answer=told)

    async def unable(command: ConfirmPayment) -> Any:
        return CommandReply(answer=refused("operation_not_supported", command))

    desk.changes = {**PENDING, "method": "stripe"}
    fields = hidden(await desk.look(PAYER))
    for answering in (pending, silent):
        desk.world.stand_ins.answers[ConfirmPayment] = answering
        answer = await desk.send(fields, PAYER, f"{PATH}/confirm")
        assert answer.headers["location"] == f"{PATH}?asked"
        assert "has not decided yet" in text_of(await desk.look(PAYER, f"{PATH}?asked"), "outcome")
    desk.world.stand_ins.answers[ConfirmPayment] = unable
    assert "cannot be asked" in text_of(await desk.send(fields, PAYER, f"{PATH}/confirm"), "outcome")
    desk.changes = {}
    assert "has not decided yet" not in (await desk.look(PAYER, f"{PATH}?asked")).text, "what is stored is told, not the address"


async def test_where_the_provider_takes_no_orders_a_refund_is_recorded_by_an_admin(desk: Desk) -> None:
    desk.changes = {"method": "prodamus"}
    mentor, admin = await desk.look(MENTOR), await desk.look(ADMIN)
    assert "Please ask the operator of this site." in mentor.text
    assert f'action="{PATH}/refund"' not in mentor.text
    assert 'name="manual_reference"' in admin.text
    desk.changes = {"method": "balance"}
    assert 'name="manual_reference"' not in (await desk.look(ADMIN)).text, "what was paid from a balance never left the house"

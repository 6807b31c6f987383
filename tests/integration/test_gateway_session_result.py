"""Where a session's payer comes back to: the stored payment is what is told, to its payer alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.gateway import receipts
from services.gateway.idempotency import caller_of
from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import GetMockSession, MockSessionView
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import GetPayment
from shared.keys import Keys
from tests.integration.gateway_world import SECRET, World, one_story
from tests.integration.pages_world import HTML, SCRIPT, session_view
from tests.integration.pages_world import running as running
from tests.integration.sessions_world import PAID, Desk

PAYMENT = new_id()
RESULT = f"{PAID}?payment_id={PAYMENT}"


@pytest.fixture
async def desk(running: World) -> AsyncIterator[Desk]:
    async with one_story(running) as story:
        yield Desk(story)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        ("completed", "Session paid"),
        ("partially_refunded", "Session paid"),
        ("disputed", "Payment disputed"),
        ("refunded", "Payment refunded"),
        ("failed", "Session not paid"),
        ("canceled", "Session not paid"),
        ("expired", "Session not paid"),
        ("pending", "Payment under way"),
    ],
)
async def test_each_outcome_is_told_as_it_is_stored(desk: Desk, status: str, title: str) -> None:
    desk.view = {"status": status, "description": SCRIPT, "refunded_amount_minor": 100 if status == "partially_refunded" else 0}
    page = await desk.page(f"{PAID}?session_id={PAYMENT}&amount=1")
    assert page.status_code == 200
    assert f"<h1>{title}</h1>" in page.text
    assert "5,000.00" in page.text
    assert "&lt;script&gt;" in page.text
    assert ("data-awaited=" in page.text, "<noscript><meta http-equiv" in page.text) == (status == "pending", status == "pending")
    assert ("Try again" in page.text) is (title == "Session not paid")
    assert ("Sent back" in page.text) is (status == "partially_refunded")


async def test_what_the_wallet_has_not_booked_yet_is_not_told_as_paid(desk: Desk) -> None:
    desk.view = {"status": "completed"}
    desk.world.stand_ins.posted = False
    assert "<h1>Payment under way</h1>" in (await desk.page(RESULT)).text


async def test_it_is_its_payers_alone_and_of_its_session(desk: Desk) -> None:
    desk.view = {"status": "completed"}
    statuses = {who: (await desk.page(RESULT, who)).status_code for who in ("1", "2", "3")}
    assert statuses == {"1": 200, "2": 404, "3": 404}, "the mentor has pages of their own"
    assert (await desk.page(RESULT.replace("/7/", "/8/"))).status_code == 404
    nobody = await desk.world.http.get(RESULT, headers=HTML)
    assert nobody.headers["location"].startswith("/en/login?next=%2Fen%2Fsessions%2F7%2Fpaid%3F")


@pytest.mark.parametrize("query", ["", "?payment_id=1", "?session_id=%27", "?payment_id=&session_id="])
async def test_there_is_no_such_payment(desk: Desk, query: str) -> None:
    assert (await desk.page(f"{PAID}{query}")).status_code == 404


async def test_a_visit_changes_nothing(desk: Desk) -> None:
    desk.view = {"status": "pending"}
    await desk.page(RESULT)
    assert {type(message) for message in desk.world.stand_ins.asked} == {GetPayment}


async def test_who_has_not_paid_yet_can_go_on(desk: Desk) -> None:
    desk.view = {"payment_url": f"{desk.world.settings.public_url}/ru/pay/{PAYMENT}"}
    assert f'href="/en/pay/{PAYMENT}"' in (await desk.page(RESULT)).text
    desk.view = {"payment_url": f"{desk.world.settings.public_url}/ru/pay/{PAYMENT}", "status": "completed"}
    assert f"/pay/{PAYMENT}" not in (await desk.page(RESULT)).text


async def test_a_page_elsewhere_is_led_to_by_the_stored_address_alone(desk: Desk) -> None:
    desk.view = {"payment_url": "https://pay.example.org/p?a=1&b=2", "method": "allsecure"}
    page = await desk.page(f"{RESULT}&onward=https://evil.example/")
    (refresh,) = re.findall(r'<meta http-equiv="refresh" content="([^"]+)"', page.text)
    assert refresh == "0; url=https://pay.example.org/p?a=1&amp;b=2"
    assert "evil.example" not in page.text.partition("<footer")[0]
    came_back = await desk.page(RESULT)
    assert 'http-equiv="refresh" content="0' not in came_back.text

    desk.view = {"payment_url": "javascript:alert(1)"}
    assert "javascript:" not in (await desk.page(f"{RESULT}&onward=1")).text


async def test_why_it_was_refused_is_told(desk: Desk) -> None:
    problem = Refused(code="insufficient_funds", detail="not for people", request_id="r")
    desk.view = {"status": "failed", "problem": problem}
    page = (await desk.page(RESULT)).text
    assert "There is not enough money on the balance for that." in page
    assert "not for people" not in page


# ---- before there is a record


def receipt(seconds: float, user_id: str = "1") -> str:
    deadline = utc_now() + timedelta(seconds=seconds)
    return receipts.sign(Keys((SECRET,)), resource_id=str(PAYMENT), caller=caller_of(user_id), deadline=deadline)


async def test_what_has_been_handed_on_is_waited_for_and_what_never_arrived_is_told(desk: Desk) -> None:
    waiting = await desk.page(f"{RESULT}&receipt={receipt(60)}")
    lost = await desk.page(f"{RESULT}&receipt={receipt(-60)}")
    stranger = await desk.page(f"{RESULT}&receipt={receipt(60, '3')}")

    assert "<h1>Payment under way</h1>" in waiting.text
    assert f'data-awaited="/api/v1/payments/{PAYMENT}?receipt=' in waiting.text
    assert "nothing was done" in lost.text
    assert "data-awaited" not in lost.text
    assert stranger.status_code == 404


# ---- the stand-in provider leads back here


@pytest.mark.parametrize(
    ("outcome", "status", "leads"),
    [
        ("success", "completed", "/ru/sessions/7/paid?session_id={0}"),
        ("failure", "failed", "/ru/sessions/7/pay?error=payment_failed&session_id={0}"),
    ],
)
async def test_the_stand_in_leads_back_to_the_session(desk: Desk, outcome: str, status: str, leads: str) -> None:
    view = session_view(order=False, status=status, decided=outcome).model_copy(update={"coaching_session_id": "7"})

    async def session(_: GetMockSession) -> MockSessionView:
        return view

    desk.world.stand_ins.answers[GetMockSession] = session
    page = await desk.page(f"/ru/payment/mock?session_id={view.session_id}")
    assert f'href="{leads.format(view.session_id).replace("&", "&amp;")}"' in page.text

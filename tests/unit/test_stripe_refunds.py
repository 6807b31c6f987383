"""Refunds at Stripe, and its lists of a day: what goes over the wire, and what each answer is to us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.payments.providers.base import NoSuchRefund, NotStated, RefundAccepted, RefundAnswer, RefundDeclined, RefundOrder, Unknown
from services.payments.providers.stripe import client as stripe_client
from services.payments.providers.stripe.refunds import StripeRefunds
from services.payments.providers.stripe.statements import StripeStatements
from shared.contracts.base import new_id, utc_now
from shared.money import Money
from tests.unit.stripe_doubles import INTENT, NOW, SESSION_ID, Answer, Json, Wire, a_refund, an_api, an_intent, refusal

REFUND_ID = UUID("018f3a5e-0000-7000-8000-0000000000bb")
OURS = {"purser_refund_id": str(REFUND_ID), "purser_session_id": str(SESSION_ID)}
DAY = (NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_client, "_FIRST_DELAY_SECONDS", 0.0)


def an_order(**changes: Any) -> RefundOrder:
    fields: Json = {
        "refund_id": REFUND_ID,
        "payment_id": new_id(),
        "session_id": SESSION_ID,
        "charge_reference": INTENT,
        "money": Money(2_000, "eur"),
        "reason": "not for Stripe's eyes",
    }
    return RefundOrder(**(fields | changes))


@asynccontextmanager
async def refunds(*answers: Answer) -> AsyncIterator[tuple[StripeRefunds, Wire]]:
    async with an_api(*answers) as (api, wire):
        yield StripeRefunds(api), wire


def ours(**changes: Any) -> Json:
    return a_refund(metadata=OURS, **changes)


def page(*shown: Json, more: bool = False) -> Json:
    return {"object": "list", "url": "/v1/refunds", "data": list(shown), "has_more": more}


ANSWERS: list[tuple[Answer, RefundAnswer]] = [
    (ours(), RefundAccepted("re_3Unit", settled=True)),
    (ours(status="pending"), RefundAccepted("re_3Unit", settled=False)),
    (ours(status="requires_action"), RefundAccepted("re_3Unit", settled=False)),
    (ours(status="failed", failure_reason="insufficient_funds"), RefundDeclined("insufficient_funds")),
    (ours(status="canceled"), RefundDeclined("canceled")),
    (a_refund(), Unknown()),
    (refusal(401), Unknown()),
    (refusal(429), Unknown()),
    (refusal(409), Unknown()),
    (refusal(500), Unknown()),
    (httpx.ReadTimeout("slow"), Unknown()),
]


async def test_a_refund_carries_our_ids_and_our_key() -> None:
    async with refunds(ours()) as (stripe, wire):
        await stripe.refund(an_order())
    assert wire.asked[0].url.path == "/v1/refunds"
    assert wire.form() == {
        "payment_intent": INTENT,
        "amount": "2000",
        "metadata[purser_refund_id]": str(REFUND_ID),
        "metadata[purser_session_id]": str(SESSION_ID),
    }
    assert wire.keys == [f"refund-{REFUND_ID}"]


async def test_a_charge_that_an_operator_named_is_refunded_as_such() -> None:
    async with refunds(ours(payment_intent=None)) as (stripe, wire):
        await stripe.refund(an_order(charge_reference="ch_3Unit"))
    assert (wire.form()["charge"], "payment_intent" in wire.form()) == ("ch_3Unit", False)


@pytest.mark.parametrize(("answer", "told"), ANSWERS)
async def test_what_an_answer_to_a_refund_is(answer: Answer, told: RefundAnswer) -> None:
    async with refunds(answer) as (stripe, _):
        assert await stripe.refund(an_order()) == told


@pytest.mark.parametrize("code", ["charge_already_refunded", "charge_disputed", "resource_missing"])
async def test_an_explicit_no_declines_it(code: str) -> None:
    async with refunds(refusal(400, code)) as (stripe, _):
        assert await stripe.refund(an_order()) == RefundDeclined(code)


async def test_another_order_under_the_same_key_declines_nothing() -> None:
    async with refunds(refusal(400, kind="idempotency_error")) as (stripe, _):
        assert await stripe.refund(an_order()) == Unknown()


KEPT_FAILURE = refusal(500, idempotent_replayed="true")
LONG_AGO = timedelta(hours=1, minutes=1)


async def test_while_stripe_may_still_carry_a_kept_failure_out_no_other_key_is_used() -> None:
    for sent_at in (None, utc_now() - timedelta(minutes=59)):
        async with refunds(refusal(500), KEPT_FAILURE) as (stripe, wire):
            assert await stripe.refund(an_order(sent_at=sent_at)) == Unknown()
        assert wire.keys == [f"refund-{REFUND_ID}"] * 2


async def test_later_it_is_looked_for_and_then_sent_under_another_key() -> None:
    order = an_order(sent_at=utc_now() - LONG_AGO)
    async with refunds(KEPT_FAILURE, page(ours(status="pending"))) as (stripe, wire):
        assert await stripe.refund(order) == RefundAccepted("re_3Unit", settled=False)
    assert [request.method for request in wire.asked] == ["POST", "GET"]
    async with refunds(KEPT_FAILURE, page(a_refund()), ours()) as (stripe, wire):
        assert await stripe.refund(order) == RefundAccepted("re_3Unit", settled=True)
    assert wire.keys == [f"refund-{REFUND_ID}", None, f"refund-{REFUND_ID}-2"]


@pytest.mark.parametrize("look", [refusal(500), refusal(401), page(a_refund(), more=True)])
async def test_a_look_that_sees_not_all_of_it_sends_nothing(look: Answer) -> None:
    async with refunds(KEPT_FAILURE, look) as (stripe, wire):
        assert await stripe.refund(an_order(sent_at=utc_now() - LONG_AGO)) == Unknown()
    assert [request.method for request in wire.asked].count("POST") == 1


async def test_a_fraction_that_stripe_does_not_count_in_is_declined_unasked() -> None:
    async with refunds(ours()) as (stripe, wire):
        assert isinstance(await stripe.refund(an_order(money=Money(1, "kwd"))), RefundDeclined)
    assert not wire.asked


@pytest.mark.parametrize(("answer", "told"), ANSWERS)
async def test_a_known_refund_is_asked_for_by_its_name(answer: Answer, told: RefundAnswer) -> None:
    async with refunds(answer) as (stripe, wire):
        assert await stripe.find_refund(an_order(provider_reference="re_3Unit")) == told
    assert (wire.asked[0].method, wire.asked[0].url.path) == ("GET", "/v1/refunds/re_3Unit")


async def test_an_unknown_one_is_looked_for_among_its_charges_refunds() -> None:
    async with refunds(page(a_refund(id="re_1"), a_refund(id="re_2"), more=True), page(ours())) as (stripe, wire):
        assert await stripe.find_refund(an_order()) == RefundAccepted("re_3Unit", settled=True)
    assert [dict(request.url.params) for request in wire.asked] == [
        {"payment_intent": INTENT, "limit": "100"},
        {"payment_intent": INTENT, "limit": "100", "starting_after": "re_2"},
    ]


@pytest.mark.parametrize("answer", [page(), page(a_refund())])
async def test_what_is_not_in_the_whole_list_never_arrived(answer: Answer) -> None:
    async with refunds(answer) as (stripe, _):
        assert await stripe.find_refund(an_order()) == NoSuchRefund()


@pytest.mark.parametrize("answer", [page(a_refund(), more=True), refusal(404, "resource_missing"), refusal(500)])
async def test_what_no_whole_list_tells_is_unknown(answer: Answer) -> None:
    async with refunds(answer) as (stripe, wire):
        assert await stripe.find_refund(an_order()) == Unknown()
    assert len(wire.asked) <= 5


# ---- a day's lists


async def test_a_day_of_charges_page_by_page() -> None:
    first = page(
        an_intent(id="pi_1", status="succeeded", amount_received=5_000),
        an_intent(id="pi_2", status="canceled"),
        an_intent(id="pi_3", status="processing"),
        more=True,
    )
    second = page(
        an_intent(id="pi_4", metadata={}, currency="mga", amount=7),
        an_intent(id="pi_5", metadata={}, currency="xyz"),
        an_intent(id="pi_6"),
    )
    async with an_api(first, second) as (api, wire):
        stated = [charge async for charge in StripeStatements(api).charges(*DAY)]
    assert [(charge.charge_reference, charge.session_id, charge.status, charge.money) for charge in stated] == [
        ("pi_1", SESSION_ID, "paid", Money(5_000, "eur")),
        ("pi_2", SESSION_ID, "closed", Money(5_000, "eur")),
        ("pi_3", SESSION_ID, "pending", Money(5_000, "eur")),
        ("pi_4", None, "pending", Money(700, "mga")),
        ("pi_6", SESSION_ID, "pending", Money(5_000, "eur")),
    ]
    assert {charge.created_at for charge in stated} == {NOW}
    since, until = (str(int(end.timestamp())) for end in DAY)
    window = {"created[gte]": since, "created[lt]": until, "limit": "100"}
    assert [dict(request.url.params) for request in wire.asked] == [window, window | {"starting_after": "pi_3"}]


async def test_a_day_of_refunds() -> None:
    shown = [ours(id="re_1"), a_refund(id="re_2", status="pending"), a_refund(id="re_3", currency="xyz"), ours(id="re_4", status="failed")]
    async with an_api(page(*shown)) as (api, wire):
        stated = [refund async for refund in StripeStatements(api).refunds(*DAY)]
    assert [(one.provider_reference, one.refund_id, one.charge_reference, one.status) for one in stated] == [
        ("re_1", REFUND_ID, INTENT, "succeeded"),
        ("re_2", None, INTENT, "pending"),
        ("re_4", REFUND_ID, INTENT, "failed"),
    ]
    assert wire.asked[0].url.path == "/v1/refunds"


@pytest.mark.parametrize("answer", [refusal(500), refusal(401), refusal(429), refusal(400), page(an_intent(currency="xyz"))])
async def test_a_list_that_ends_early_says_so(answer: Answer) -> None:
    begun = page(an_intent(id="pi_1"), more=True)
    async with an_api(begun, answer) as (api, _):
        with pytest.raises(NotStated):
            _ = [charge async for charge in StripeStatements(api).charges(*DAY)]


async def test_a_window_within_seconds_leaves_nothing_out_and_nothing_twice() -> None:
    half = NOW + timedelta(milliseconds=500)
    async with an_api(page()) as (api, wire):
        for since, until in ((NOW, half), (half, NOW + timedelta(seconds=9))):
            _ = [charge async for charge in StripeStatements(api).charges(since, until)]
    (_, first_until), (second_since, _) = [
        (request.url.params["created[gte]"], request.url.params["created[lt]"]) for request in wire.asked
    ]
    assert first_until == second_since

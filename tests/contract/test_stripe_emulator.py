"""Payment intents at Stripe's emulator, asked for by the real stripe library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stripe

from tests.contract.stripe_emulator_world import LIBRARY_WARNINGS, RETURN_URL, StripeWorld, stripe_world

pytestmark = LIBRARY_WARNINGS


@pytest.fixture(scope="module")
async def shared_world() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as world:
        yield world


@pytest.fixture
async def world(shared_world: StripeWorld) -> StripeWorld:
    await shared_world.calm()
    return shared_world


@pytest.fixture
async def browser(world: StripeWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.emulator.base_url, trust_env=False, timeout=2) as browser:
        yield browser


async def test_an_intent_is_made_changed_paid_and_found(world: StripeWorld) -> None:
    made = await world.intents.create_async({"amount": 1_050, "currency": "eur", "metadata": {"payment_id": "p1", "tenant": "t"}})
    assert (made.status, made.amount, made.currency, made.latest_charge, made.livemode) == (
        "requires_payment_method",
        1_050,
        "eur",
        None,
        False,
    )
    assert made.client_secret is not None
    assert made.client_secret.startswith(made.id + "_secret_")
    assert made.last_response is not None
    assert made.last_response.headers["request-id"].startswith("req_")
    changed = await world.intents.update_async(made.id, {"amount": 2_000, "metadata": {"tenant": "", "note": "n"}})
    assert (changed.amount, changed.metadata.to_dict()) == (2_000, {"payment_id": "p1", "note": "n"})
    paid = await world.intents.confirm_async(made.id, {"payment_method": "pm_card_visa", "return_url": RETURN_URL})
    assert (paid.status, paid.amount_received) == ("succeeded", 2_000)
    found = await world.intents.retrieve_async(made.id, {"expand": ["latest_charge"]})
    assert isinstance(found.latest_charge, stripe.Charge)
    assert (found.latest_charge.amount_captured, found.latest_charge.metadata.to_dict()) == (2_000, {"payment_id": "p1", "note": "n"})
    assert await world.told() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    assert [one.reference for one in world.emulator.control.charges()][-1] == made.id


async def test_lists_come_newest_first_and_in_pages(world: StripeWorld) -> None:
    ids = [(await world.intents.create_async({"amount": 1_000 + number, "currency": "eur"})).id for number in range(5)]
    first = await world.intents.list_async({"limit": 2})
    assert [one.id for one in first.data] == [ids[4], ids[3]]
    assert first.has_more
    everything = [one.id async for one in first.auto_paging_iter()]
    assert everything[:5] == ids[::-1]
    backwards = await world.intents.list_async({"limit": 2, "ending_before": ids[1]})
    assert [one.id for one in backwards.data] == [ids[3], ids[2]]
    assert (await world.intents.list_async({"created": {"gt": world.emulator.now() + 60}})).data == []
    assert len((await world.intents.list_async({"created": {"gte": world.emulator.now() - 60}, "limit": 5})).data) == 5


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
async def test_a_declined_card_is_402_and_the_intent_can_be_paid_again(
    world: StripeWorld, method: str, code: str, decline_code: str | None
) -> None:
    made = await world.intents.create_async({"amount": 1_000, "currency": "eur", "allowed_payment_method_types": ["card"]})
    with pytest.raises(stripe.CardError) as declined:
        await world.intents.confirm_async(made.id, {"payment_method": method})
    assert (declined.value.http_status, declined.value.code) == (402, code)
    assert declined.value.error is not None
    assert declined.value.error.payment_intent is not None
    assert declined.value.error.payment_intent.id == made.id
    found = await world.intents.retrieve_async(made.id)
    assert (found.status, found.payment_method) == ("requires_payment_method", None)
    assert found.last_payment_error is not None
    assert (found.last_payment_error.code, getattr(found.last_payment_error, "decline_code", None)) == (code, decline_code)
    assert (await world.intents.confirm_async(made.id, {"payment_method": "pm_card_visa"})).status == "succeeded"
    assert await world.told() == [
        *("payment_intent.created", "charge.failed", "payment_intent.payment_failed"),
        *("charge.succeeded", "payment_intent.succeeded"),
    ]


@pytest.mark.parametrize(
    ("choice", "status", "redirect_status"), [("complete", "succeeded", "succeeded"), ("fail", "requires_payment_method", "failed")]
)
async def test_three_d_secure_goes_by_the_banks_page_and_back(
    world: StripeWorld, browser: httpx.AsyncClient, choice: str, status: str, redirect_status: str
) -> None:
    made = await world.intents.create_async(
        {
            "amount": 1_000,
            "currency": "eur",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": RETURN_URL,
        }
    )
    assert made.status == "requires_action"
    assert made.next_action is not None
    assert made.next_action.redirect_to_url is not None
    url = made.next_action.redirect_to_url.url or ""
    assert "Complete authentication" in (await browser.get(url)).text
    assert (await browser.post(url, data={"choice": "later"})).status_code == 303
    assert (await world.intents.retrieve_async(made.id)).status == "requires_action", "undecided"
    back = await browser.post(url, data={"choice": choice})
    query = parse_qs(urlsplit(back.headers["location"]).query)
    assert query["order"] == ["7"]
    assert (query["payment_intent"], query["redirect_status"]) == ([made.id], [redirect_status])
    found = await world.intents.retrieve_async(made.id)
    assert found.status == status
    if choice == "fail":
        assert found.last_payment_error is not None
        assert (found.last_payment_error.code, found.latest_charge) == ("payment_intent_authentication_failure", None)
    assert (await browser.post(url, data={"choice": "complete"})).status_code == 410, "the page is used up"
    assert (await browser.get(url[:-4])).status_code == 404, "and not to be guessed"


async def test_an_action_that_nobody_can_take_is_declined(world: StripeWorld) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await world.intents.create_async(
            {
                "amount": 1_000,
                "currency": "eur",
                "allowed_payment_method_types": ["card"],
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
                "error_on_requires_action": True,
            }
        )
    assert declined.value.code == "authentication_required"


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_slow_payment_is_processing_until_it_is_not(world: StripeWorld, succeeds: bool) -> None:
    made = await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    assert await world.emulator.control.pay_slowly(made.id, succeeds) == "processing"
    with pytest.raises(stripe.InvalidRequestError, match="cannot cancel") as refused:
        await world.intents.cancel_async(made.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert await world.emulator.control.settle(made.id) == ("succeeded" if succeeds else "requires_payment_method")
    end = ["charge.succeeded", "payment_intent.succeeded"] if succeeds else ["charge.failed", "payment_intent.payment_failed"]
    assert await world.told() == ["payment_intent.created", "payment_intent.processing", "charge.pending", *end]


async def test_an_authorisation_is_captured_in_part_or_let_go(world: StripeWorld) -> None:
    held = [await _authorised(world) for _ in range(2)]
    assert (held[0].status, held[0].amount_capturable, held[0].amount_received) == ("requires_capture", 1_000, 0)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await world.intents.capture_async(held[0].id, {"amount_to_capture": 1_001})
    assert refused.value.code == "amount_too_large"
    captured = await world.intents.capture_async(held[0].id, {"amount_to_capture": 600})
    assert (captured.status, captured.amount, captured.amount_received, captured.amount_capturable) == ("succeeded", 1_000, 600, 0)
    await world.emulator.control.set_manners(tells_releases=True)
    await world.told()
    gone = await world.intents.cancel_async(held[1].id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    assert await world.told() == ["refund.created", "charge.refunded", "payment_intent.canceled"], (
        "as if money had been taken and given back"
    )
    book = world.emulator.control
    assert [one.amount_minor for one in book.charges() if one.reference in (held[0].id, held[1].id)] == [600]
    assert [one for one in book.refunds() if one.reference == held[1].id] == []


async def _authorised(world: StripeWorld) -> stripe.PaymentIntent:
    return await world.intents.create_async(
        {
            "amount": 1_000,
            "currency": "eur",
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual",
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )


async def test_what_is_done_cannot_be_done_again(world: StripeWorld) -> None:
    paid, canceled = await world.paid(), await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.intents.cancel_async(canceled.id)
    for refused in (
        world.intents.confirm_async(paid.id, {"payment_method": "pm_card_visa"}),
        world.intents.cancel_async(paid.id),
        world.intents.update_async(paid.id, {"amount": 5}),
        world.intents.confirm_async(canceled.id, {"payment_method": "pm_card_visa"}),
        world.intents.cancel_async(canceled.id),
        world.intents.capture_async(canceled.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as wrong:
            await refused
        assert wrong.value.code == "payment_intent_unexpected_state"
    assert (await world.intents.update_async(paid.id, {"metadata": {"late": "yes"}})).metadata["late"] == "yes"


async def test_what_an_integration_stumbles_over_is_refused(world: StripeWorld) -> None:
    old = {"amount": 1_000, "currency": "eur", "payment_method_types": ["card"]}
    for params, code, param in (
        (old, "payment_method_types_no_longer_supported", "payment_method_types"),
        ({"amount": 1_000, "currency": "eur", "colour": "red"}, "parameter_unknown", "colour"),
        ({"currency": "eur"}, "parameter_missing", "amount"),
        ({"amount": "10.50", "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": 1_000, "currency": "eur", "confirm": True}, "payment_intent_unexpected_state", None),
        ({"amount": 1_000, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}, None, "return_url"),
        ({"amount": 1_000, "currency": "eur", "payment_method": "pm_nothing"}, "resource_missing", "payment_method"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.intents.create_async(params)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.param) == (code, param)
    assert await world.told() == []

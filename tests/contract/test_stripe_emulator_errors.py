"""What the real stripe library makes of the emulator's errors, and what an idempotency key is worth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import stripe

from tests.contract.stripe_emulator_world import LIBRARY_WARNINGS, StripeWorld, stripe_world
from tests.emulators.faults import Kind

pytestmark = LIBRARY_WARNINGS
PARAMS: Any = {"amount": 1_000, "currency": "eur"}
DECLINED: Any = PARAMS | {"allowed_payment_method_types": ["card"], "payment_method": "pm_card_visa_chargeDeclined", "confirm": True}


@pytest.fixture(scope="module")
async def shared_world() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as world:
        yield world


@pytest.fixture
async def world(shared_world: StripeWorld) -> StripeWorld:
    await shared_world.calm()
    return shared_world


def made(world: StripeWorld) -> int:
    """How many intents there are."""
    return len(world.emulator.book.account.intents.oldest_first())


async def create(world: StripeWorld, key: str, params: Any = PARAMS) -> stripe.PaymentIntent:
    return await world.intents.create_async(params, {"idempotency_key": key})


async def test_refusals_have_their_classes(world: StripeWorld) -> None:
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await world.intents.retrieve_async("pi_nobody")
    assert (unknown.value.http_status, unknown.value.code) == (404, "resource_missing")
    for key in ("sk_test_another", "pk_test_emulator"):
        with pytest.raises(stripe.AuthenticationError) as unauthorized:
            await world.client_with(key).v1.payment_intents.create_async(PARAMS)
        assert unauthorized.value.http_status == 401
        assert key not in str(unauthorized.value)
    with pytest.raises(stripe.PermissionError) as forbidden:
        await world.client_with("rk_test_emulator").v1.payment_intents.create_async(PARAMS)
    assert forbidden.value.http_status == 403
    assert (await world.client_with("rk_test_emulator").v1.payment_intents.list_async({"limit": 1})).has_more is False
    with pytest.raises(stripe.InvalidRequestError, match="API version"):
        await world.intents.create_async(PARAMS, {"stripe_version": "yesterday"})
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        await world.client.raw_request_async("get", "/v1/nothing")


async def test_a_rate_limit_says_why(world: StripeWorld) -> None:
    world.emulator.faults.once("429", "create_payment_intent", reason="global-rate")
    world.emulator.faults.once("429", "create_payment_intent", code="lock_timeout", reason="ignored", should_retry="true")
    for code, reason, should_retry in (("rate_limit", "global-rate", None), ("lock_timeout", None, "true")):
        with pytest.raises(stripe.RateLimitError) as limited:
            await create(world, "limited")
        assert limited.value.error is not None
        assert (limited.value.http_status, limited.value.error.code) == (429, code)
        assert limited.value.headers is not None
        assert limited.value.headers.get("stripe-rate-limited-reason") == reason
        assert limited.value.headers.get("stripe-should-retry") == should_retry
    assert (await create(world, "limited")).last_response is not None, "nothing was kept under the key"


@pytest.mark.parametrize(
    ("kind", "error", "status", "done"),
    [
        ("503", stripe.APIError, 503, 0),
        ("504_after", stripe.APIError, 504, 1),
        ("cut_before", stripe.APIConnectionError, None, 0),
        ("cut_after", stripe.APIConnectionError, None, 1),
    ],
)
async def test_what_is_lost_on_the_way_is_found_by_its_key(
    world: StripeWorld, kind: Kind, error: type[stripe.StripeError], status: int | None, done: int
) -> None:
    before = made(world)
    world.emulator.faults.once(kind)
    with pytest.raises(error) as lost:
        await create(world, f"lost {kind}")
    assert (lost.value.http_status, made(world) - before) == (status, done)
    found = await create(world, f"lost {kind}")
    assert made(world) == before + 1
    assert found.last_response is not None
    assert found.last_response.headers.get("idempotent-replayed") == ("true" if done else None)


@pytest.mark.parametrize(("kind", "done"), [("500_before", 0), ("500_after", 1)])
async def test_a_500_is_kept_and_replayed_whatever_became_of_it(world: StripeWorld, kind: Kind, done: int) -> None:
    before = made(world)
    world.emulator.faults.once(kind)
    for replayed in (None, "true", "true"):
        with pytest.raises(stripe.APIError) as failed:
            await create(world, f"failed {kind}")
        assert failed.value.headers is not None
        assert (failed.value.http_status, failed.value.headers.get("idempotent-replayed")) == (500, replayed)
        assert made(world) - before == done
    if done:
        newest = (await world.intents.list_async({"limit": 1})).data[0]
        assert newest.amount == 1_000, "who was told 500 finds it by asking"
    assert (await create(world, f"another {kind}")).status == "requires_payment_method"


async def test_an_answer_is_replayed_with_the_same_body(world: StripeWorld) -> None:
    first = await create(world, "twice")
    assert first.last_response is not None
    again = await create(world, "twice")
    assert again.last_response is not None
    assert again.last_response.body == first.last_response.body
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.headers["original-request"] == first.last_response.headers["request-id"] != again.last_response.request_id
    before = made(world)
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await create(world, "declined twice", DECLINED)
    assert made(world) == before + 1
    assert (await world.told()).count("charge.failed") == 1


async def test_a_key_has_one_request(world: StripeWorld) -> None:
    intent = await create(world, "mine")
    for other in (
        create(world, "mine", PARAMS | {"amount": 1_001}),
        create(world, "mine", PARAMS | {"metadata": {"a": "b"}}),
        world.intents.cancel_async(intent.id, {}, {"idempotency_key": "mine"}),
    ):
        with pytest.raises(stripe.IdempotencyError) as mismatch:
            await other
        assert mismatch.value.http_status == 400
    assert (await world.intents.retrieve_async(intent.id)).status == "requires_payment_method"


async def test_a_key_in_use_is_409(world: StripeWorld) -> None:
    before = made(world)
    world.emulator.faults.once("slow", seconds=0.3)
    first = asyncio.create_task(create(world, "at once"))
    await until(lambda: world.emulator.idempotency.in_use("at once"))
    with pytest.raises(stripe.APIError) as conflict:
        await create(world, "at once")
    assert conflict.value.error is not None
    assert (conflict.value.http_status, conflict.value.error.code) == (409, "idempotency_key_in_use")
    assert (await create(world, "at once, another")).status == "requires_payment_method"
    answered = await first
    assert (await create(world, "at once")).id == answered.id
    assert made(world) == before + 2


async def until(fact: Callable[[], bool]) -> None:
    """Asks again until it is so, two seconds at most."""
    async with asyncio.timeout(2):
        while not fact():
            await asyncio.sleep(0.005)


async def test_a_slow_answer_is_no_answer_and_its_effect_comes_all_the_same(world: StripeWorld) -> None:
    async with httpx.AsyncClient(base_url=world.emulator.base_url, trust_env=False, timeout=0.1) as impatient:
        world.emulator.faults.once("slow", seconds=0.3)
        headers = {"authorization": "Bearer sk_test_emulator", "idempotency-key": "impatient"}
        with pytest.raises(httpx.ReadTimeout):
            await impatient.post("/v1/payment_intents", data={"amount": "1000", "currency": "eur"}, headers=headers)
    before = made(world)
    with pytest.raises(stripe.APIError, match="in-progress"):
        await create(world, "impatient")
    await until(lambda: made(world) == before + 1)
    found = await create(world, "impatient")
    assert found.last_response is not None
    assert found.last_response.headers["idempotent-replayed"] == "true"


async def test_what_never_began_is_not_kept(world: StripeWorld) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="unknown"):
        await create(world, "corrected", PARAMS | {"colour": "red"})
    with pytest.raises(stripe.InvalidRequestError, match="currency"):
        await create(world, "corrected", PARAMS | {"currency": "EUR"})
    with pytest.raises(stripe.AuthenticationError):
        await world.client_with("sk_test_another").v1.payment_intents.create_async(PARAMS, {"idempotency_key": "corrected"})
    assert (await create(world, "corrected")).status == "requires_payment_method"


async def test_a_key_is_forgotten_after_a_day(world: StripeWorld) -> None:
    first = await create(world, "old")
    await world.emulator.control.advance(86_399)
    assert (await create(world, "old")).id == first.id
    await world.emulator.control.advance(2)
    assert (await create(world, "old")).id != first.id, "the same key pays twice: look the payment up instead"


async def test_the_library_alone_retries_what_the_sheet_says(world: StripeWorld) -> None:
    patient: Any = {"max_network_retries": 2}
    before = made(world)
    world.emulator.faults.once("cut_after", "create_payment_intent")
    assert (await world.intents.create_async(PARAMS, patient)).status == "requires_payment_method"
    assert made(world) == before + 1, "under the library's own key"
    world.emulator.faults.once("429", "create_payment_intent")
    with pytest.raises(stripe.RateLimitError):
        await world.intents.create_async(PARAMS, patient)
    world.emulator.faults.once("503", "create_payment_intent", should_retry="false")
    with pytest.raises(stripe.APIError):
        await world.intents.create_async(PARAMS, patient)
    assert made(world) == before + 1

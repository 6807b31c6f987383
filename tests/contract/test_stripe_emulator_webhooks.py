"""The emulator's webhooks, verified and read by the real stripe library: signatures, retries, rotation, twins, and what was missed."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import pytest
import stripe

from tests.contract.stripe_emulator_world import LIBRARY_WARNINGS, StripeWorld, stripe_world
from tests.emulators.deliveries import ALWAYS
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET
from tests.emulators.stripe.objects import API_VERSION

pytestmark = LIBRARY_WARNINGS


@pytest.fixture
async def world() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as world:
        yield world


async def test_an_event_is_a_snapshot_with_its_cause(world: StripeWorld) -> None:
    params: stripe.params.PaymentIntentCreateParams = {"amount": 1_000, "currency": "eur", "metadata": {"payment_id": "p1"}}
    intent = await world.intents.create_async(params, {"idempotency_key": "of-ours"})
    await world.intents.update_async(intent.id, {"amount": 2_000})
    await world.emulator.deliveries.idle()
    (event,) = world.merchant.events()
    assert (event.type, event.object, event.livemode, event.api_version) == ("payment_intent.created", "event", False, API_VERSION)
    assert abs(event.created - time.time()) < 60
    told = event.data.object
    assert (told["id"], told["amount"], told["metadata"]["payment_id"]) == (intent.id, 1_000, "p1"), "as it was then"
    assert intent.last_response is not None
    assert event.request is not None
    assert (event.request.id, event.request.idempotency_key) == (intent.last_response.request_id, "of-ours")
    assert event.pending_webhooks == 1
    assert (await world.client.v1.events.retrieve_async(event.id)).pending_webhooks == 0, "it has been accepted since"
    await world.emulator.control.pay(intent.id)
    await world.emulator.deliveries.idle()
    by_the_payer = world.merchant.events()[-1]
    assert by_the_payer.request is not None
    assert by_the_payer.request.id is None
    refund = await world.client.v1.refunds.create_async({"payment_intent": intent.id, "amount": 500})
    await world.emulator.deliveries.idle()
    changes = [event.data.to_dict().get("previous_attributes") for event in world.merchant.events() if event.type == "charge.refunded"]
    assert (refund.amount, changes) == (500, [{"amount_refunded": 0}])


async def test_bodies_are_to_be_verified_as_they_came(world: StripeWorld) -> None:
    await world.paid()
    await world.emulator.deliveries.idle()
    header, body = world.merchant.came[0]
    assert b"\n  " in body
    assert "v0=" in header
    rewritten = json.dumps(json.loads(body)).encode()
    for payload, secret in ((rewritten, TEST_WEBHOOK_SECRET), (body, TEST_WEBHOOK_SECRET + "x"), (body[:-1], TEST_WEBHOOK_SECRET)):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(payload, header, secret)


async def test_forged_and_stale_deliveries_are_refused_by_the_library(world: StripeWorld) -> None:
    switches = world.emulator.deliveries.switches
    switches.forged = 1
    world.merchant.answers = [400, 200, 400, 200]
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.emulator.deliveries.idle()
    switches.forged, switches.stale = 0, 1
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.emulator.deliveries.idle()
    verdicts = []
    for header, body in world.merchant.came:
        try:
            verdicts.append(stripe.Webhook.construct_event(body, header, TEST_WEBHOOK_SECRET).type)
        except stripe.SignatureVerificationError as error:
            verdicts.append("stale" if "Timestamp" in str(error) else "forged")
    assert verdicts == ["forged", "payment_intent.created", "stale", "payment_intent.created"], "each is sent again as it should be"


async def test_a_delivery_is_signed_anew_each_time_it_is_tried(world: StripeWorld) -> None:
    world.merchant.answers = [500, 302, 404]
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.emulator.deliveries.idle()
    assert [one.status for one in world.emulator.deliveries.attempts] == [500, 302, 404, 200]
    assert len({event.id for event in world.merchant.events()}) == 1
    (event,) = {event.id for event in world.merchant.events()}
    await world.emulator.control.resend(event)
    await world.emulator.deliveries.idle()
    assert len(world.merchant.came) == 5


async def test_a_secret_is_rolled_with_both_signatures_for_a_while(world: StripeWorld) -> None:
    fresh = await world.emulator.control.roll_secret(overlap_seconds=3_600)
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.emulator.deliveries.idle()
    assert world.merchant.came[0][0].count("v1=") == 2
    assert [len(world.merchant.events(secret)) for secret in (TEST_WEBHOOK_SECRET, fresh)] == [1, 1]
    world.merchant.came.clear()
    await world.emulator.control.advance(3_601)
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.emulator.deliveries.idle()
    assert len(world.merchant.events(fresh)) == 1
    with pytest.raises(stripe.SignatureVerificationError):
        world.merchant.events(TEST_WEBHOOK_SECRET)


async def test_one_change_can_have_two_events_and_an_event_two_deliveries(world: StripeWorld) -> None:
    await world.emulator.control.set_twins(1)
    world.emulator.deliveries.switches.duplicate = 1
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    await world.emulator.deliveries.idle()
    events = world.merchant.events()
    assert len(events) == 4
    assert len({event.id for event in events}) == 2
    assert len({(event.type, event.data.object["id"]) for event in events}) == 1


async def test_the_order_is_not_kept(world: StripeWorld) -> None:
    world.emulator.deliveries.switches.reorder = 3
    await world.paid()
    await world.emulator.deliveries.idle()
    assert [event.type for event in world.merchant.events()] == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]


async def test_what_was_missed_is_listed_and_can_be_sent_again(world: StripeWorld) -> None:
    world.emulator.deliveries.switches.drop = True
    intent = await world.paid()
    world.emulator.deliveries.off()
    world.emulator.deliveries.switches.forged = ALWAYS
    world.merchant.answers = [400] * 100
    await world.client.v1.refunds.create_async({"payment_intent": intent.id})
    await world.emulator.deliveries.flush()
    world.emulator.deliveries.off()
    world.merchant.answers.clear()
    world.merchant.came.clear()
    missed = await world.client.v1.events.list_async({"delivery_success": False, "types": ["payment_intent.succeeded", "refund.created"]})
    assert [event.type for event in missed.data] == ["refund.created", "payment_intent.succeeded"]
    assert missed.data[1].data.object["id"] == intent.id
    assert await world.emulator.control.resend_missed() == 5
    await world.emulator.deliveries.idle()
    assert len(world.merchant.events()) == 5
    assert (await world.client.v1.events.list_async({"delivery_success": False})).data == []
    only_refunds = await world.client.v1.events.list_async({"type": "refund.*"})
    assert [event.type for event in only_refunds.data] == ["refund.created"]


async def test_endpoints_are_made_with_a_version_and_a_choice_of_events(world: StripeWorld) -> None:
    endpoints = world.client.v1.webhook_endpoints
    made = await endpoints.create_async(
        {
            "url": world.merchant.base_url + "/hook",
            "enabled_events": ["payment_intent.succeeded"],
            "api_version": "2026-08-26.dahlia",
        }
    )
    assert made.secret is not None
    assert not hasattr(await endpoints.retrieve_async(made.id), "secret"), "shown once"
    await world.paid()
    await world.emulator.deliveries.idle()
    theirs = [(header, body) for header, body in world.merchant.came if json.loads(body)["api_version"] == "2026-08-26.dahlia"]
    ((header, body),) = theirs
    assert stripe.Webhook.construct_event(body, header, made.secret).type == "payment_intent.succeeded"
    await endpoints.update_async(made.id, {"disabled": True})
    assert (await endpoints.retrieve_async(made.id)).status == "disabled"
    world.merchant.came.clear()
    await world.paid()
    await world.emulator.deliveries.idle()
    assert len(world.merchant.events()) == 3
    await endpoints.delete_async(made.id)
    assert len((await endpoints.list_async()).data) == 1

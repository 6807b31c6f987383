"""What can be paid how, at the gateway: as payments says, in this installation's words, cached by whoever likes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.contracts.base import Reply
from shared.contracts.checkout import AmountLimits, ListMethods, MethodsView
from tests.integration.gateway_world import World, gateway_world, method_view, one_story, silent

SECRETS = {"stripe_webhook_secret": "whsec_0123456789abcdef", "stripe_publishable_key": "pk_test_51Purser"}


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.7, platform_fee_bps=250, **SECRETS) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def test_where_payments_was_never_heard_it_is_503_until_it_is(amqp_url: str) -> None:
    async with gateway_world(amqp_url, rpc_timeout_seconds=0.3) as fresh:
        fresh.stand_ins.answers[ListMethods] = silent
        never = await fresh.http.get("/api/v1/config")
        assert (never.status_code, never.json()["code"]) == (503, "no_answer")
        assert int(never.headers["Retry-After"]) > 0

        del fresh.stand_ins.answers[ListMethods]
        assert (await fresh.http.get("/api/v1/config")).status_code == 200
        fresh.broker.cut()
        await fresh.lost()
        assert (await fresh.http.get("/api/v1/config")).status_code == 200, "it is known for a minute"


async def test_it_needs_no_login_and_may_be_cached(world: World) -> None:
    response = await world.http.get("/api/v1/config")
    told = response.json()
    tag = response.headers["ETag"]

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert [method["method"] for method in told["methods"]] == ["mock", "balance"]
    assert told["methods"][0]["limits"] == [
        {"currencies": ["rsd"], "minimum": 0.01, "minimum_minor": 1, "maximum": 10**13, "maximum_minor": 10**15}
    ]
    assert (told["fee_bps"], told["default_currency"], told["locales"]) == (250, "rsd", ["en", "ru", "sr"])
    for known in (tag, f"W/{tag}", f'"else", {tag}', "*"):
        again = await world.http.get("/api/v1/config", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert (await world.http.get("/api/v1/config", headers={"If-None-Match": '"else"'})).status_code == 200


async def test_the_publishable_key_is_told_where_stripe_is_on_and_only_there(world: World, amqp_url: str) -> None:
    assert (await world.http.get("/api/v1/config")).json()["stripe_publishable_key"] is None

    async def on(_: ListMethods) -> Reply:
        sums = AmountLimits(currency="kwd", minimum_minor=1_000, maximum_minor=99_999_990, step_minor=10)
        return MethodsView(methods=(method_view("stripe", sums), method_view("balance", pays_for=("session",))))

    async with gateway_world(amqp_url, **SECRETS) as with_stripe:
        with_stripe.stand_ins.answers[ListMethods] = on
        told = (await with_stripe.http.get("/api/v1/config")).json()
    assert told["stripe_publishable_key"] == "pk_test_51Purser"
    assert told["methods"][0] == {
        "method": "stripe",
        "pays_for": ["deposit", "session", "order"],
        "limits": [
            {
                "currencies": ["kwd"],
                "minimum": 1.0,
                "minimum_minor": 1_000,
                "maximum": 99_999.99,
                "maximum_minor": 99_999_990,
                "step_minor": 10,
            }
        ],
    }

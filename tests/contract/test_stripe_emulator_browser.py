"""The emulator as a payer's browser meets it: the publishable key, Stripe.js, its frame; and the controls over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import stripe

from tests.contract.stripe_emulator_world import LIBRARY_WARNINGS, RETURN_URL, StripeWorld, stripe_world
from tests.emulators.stripe.methods import METHODS

pytestmark = LIBRARY_WARNINGS
PAGES = Path(__file__).parent.parent / "emulators" / "stripe"


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


@pytest.fixture
async def intent(world: StripeWorld) -> stripe.PaymentIntent:
    return await world.intents.create_async({"amount": 1_000, "currency": "eur", "metadata": {"payment_id": "not for browsers"}})


def confirmation(intent: stripe.PaymentIntent, method: str) -> dict[str, str]:
    """What Stripe.js sends."""
    assert intent.client_secret is not None
    return {
        "key": "pk_test_emulator",
        "client_secret": intent.client_secret,
        "payment_method": method,
        "return_url": RETURN_URL,
    }


async def test_a_browser_confirms_with_the_client_secret(
    world: StripeWorld, browser: httpx.AsyncClient, intent: stripe.PaymentIntent
) -> None:
    path = f"/v1/payment_intents/{intent.id}"
    declined = await browser.post(path + "/confirm", data=confirmation(intent, "pm_card_visa_chargeDeclined"))
    error = declined.json()["error"]
    assert (declined.status_code, error["type"], error["code"], error["message"]) == (
        402,
        "card_error",
        "card_declined",
        "Your card was declined.",
    )
    assert declined.headers["access-control-allow-origin"] == "*"
    asked = await browser.post(path + "/confirm", data=confirmation(intent, "pm_card_authenticationRequired"))
    assert asked.json()["next_action"]["redirect_to_url"]["url"].startswith(world.emulator.base_url)
    paid = await browser.post(path + "/confirm", data=confirmation(intent, "pm_card_visa"))
    assert (paid.status_code, paid.json()["status"]) == (200, "succeeded")
    found = await browser.get(path, params={"key": "pk_test_emulator", "client_secret": intent.client_secret})
    assert found.json()["status"] == "succeeded"
    for answer in (declined, asked, paid, found):
        assert "not for browsers" not in answer.text


async def test_without_the_client_secret_a_browser_gets_nothing(
    world: StripeWorld, browser: httpx.AsyncClient, intent: stripe.PaymentIntent
) -> None:
    path, right = f"/v1/payment_intents/{intent.id}", confirmation(intent, "pm_card_visa")
    without = {name: value for name, value in right.items() if name != "client_secret"}
    other = await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    foreign = right | {"client_secret": str(other.client_secret)}
    secret_only = right | {"off_session": "true"}
    no_return = {name: value for name, value in right.items() if name != "return_url"}
    codes = [
        (await browser.post(path + "/confirm", data=sent)).json()["error"]["code" if sent is not no_return else "param"]
        for sent in (without, foreign, secret_only, no_return)
    ]
    assert codes == ["parameter_missing", "payment_intent_invalid_parameter", "parameter_unknown", "return_url"]
    assert (await browser.get(path, params={"key": "pk_test_emulator"})).status_code == 400
    for method, address in (("POST", path + "/cancel"), ("GET", "/v1/payment_intents"), ("POST", "/v1/refunds")):
        refused = await browser.request(method, address, headers={"authorization": "Bearer pk_test_emulator"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "secret_key_required")
    assert (await world.intents.retrieve_async(intent.id)).status == "requires_payment_method"


async def test_json_bodies_and_cross_origin_questions(browser: httpx.AsyncClient) -> None:
    headers = {"authorization": "Bearer sk_test_emulator"}
    refused = await browser.post("/v1/payment_intents", json={"amount": 1_000}, headers=headers)
    assert (refused.status_code, "x-www-form-urlencoded" in refused.text) == (400, True)
    asked = await browser.request("OPTIONS", "/v1/payment_intents/pi_x/confirm", headers={"origin": "http://shop.example"})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "*")
    assert (await browser.get("/v1/payment_intents", headers={"authorization": "Basic c2tfdGVzdF9lbXVsYXRvcjo="})).status_code == 200


async def test_stripe_js_is_served_for_a_strict_policy(browser: httpx.AsyncClient) -> None:
    for path in ("/v3/", "/v3", "/stripe.js", "/endive/stripe.js"):
        script = await browser.get(path)
        assert script.headers["content-type"].startswith("application/javascript")
        assert script.headers["access-control-allow-origin"] == "*"
        assert "window.Stripe" in script.text
    frame = await browser.get("/v3/frame.html")
    assert "script-src 'self'" in frame.headers["content-security-policy"]
    assert "x-frame-options" not in frame.headers
    for line in (PAGES / "stripe.js").read_text().splitlines() + (PAGES / "frame.js").read_text().splitlines():
        assert not any(word in line for word in ("eval(", "new Function", "innerHTML", 'setAttribute("style', "document.write"))
    for name in (PAGES / "frame.js").read_text().split('"'):
        assert not name.startswith("pm_") or name in METHODS


async def test_the_controls_are_there_over_http(world: StripeWorld, browser: httpx.AsyncClient, intent: stripe.PaymentIntent) -> None:
    paid = await browser.post("/_emulator/control/pay", json={"reference": intent.id})
    assert paid.json() == {"result": "succeeded"}
    refund = await browser.post("/_emulator/control/refund_elsewhere", json={"charge": intent.id, "amount": 250})
    assert refund.json()["result"]["amount_minor"] == 250
    book = (await browser.get("/_emulator/book")).json()
    (mine,) = [one for one in book["charges"] if one["reference"] == intent.id]
    assert (mine["amount_minor"], mine["refunded_minor"], mine["metadata"]["payment_id"]) == (1_000, 250, "not for browsers")
    for refused, body in (
        ("pay", {"reference": intent.id}),
        ("pay", {}),
        ("pay", {"reference": "pi_nobody"}),
        ("set_manners", {"colour": 1}),
    ):
        assert (await browser.post(f"/_emulator/control/{refused}", json=body)).status_code == 400
    assert (await browser.post("/_emulator/control/__init__", json={})).status_code == 404
    form = await browser.post("/_emulator/control/close", data={"reference": intent.id})
    assert form.status_code == 400, "a page elsewhere can send a form without asking"
    await browser.post("/_emulator/faults", json={"once": {"kind": "503", "operation": "create_payment_intent"}})
    with pytest.raises(stripe.APIError):
        await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    assert (await browser.get("/_emulator/faults")).json()["injected"]["503"]["create_payment_intent"] >= 1
    await browser.post("/_emulator/deliveries", json={"switches": {"drop": True}})
    await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    assert len(world.emulator.deliveries.dropped) == 1
    assert (await browser.post("/_emulator/deliveries", json={"off": True, "flush": True})).status_code == 200
    told = (await browser.get("/_emulator/deliveries")).json()
    assert (told["outstanding"], told["dropped"]) == (0, list(world.emulator.deliveries.dropped))

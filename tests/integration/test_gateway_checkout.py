"""Our own payment page over the real broker: to whom it shows Stripe's form, what it lets that form do, and where it leads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe
import structlog

from services.gateway.hypertext.policy import Sources, security_policy
from services.gateway.pages.stripe_js import RELEASE, stripe_js
from shared.contracts.base import new_id, utc_now
from shared.contracts.checkout import CheckoutView, GetCheckout
from shared.contracts.orders import GetOrder
from shared.contracts.queries import GetPayment
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused
from tests.integration.pages_world import HTML, ORDER, SCRIPT, SESSION, Site, logged_in

SECRET = "pi_3SXk1aB2_secret_9f2bC4dE6"
KEY = "pk_test_51Purser"
SETTINGS = {"stripe_webhook_secret": "whsec_0123456789abcdef", "stripe_publishable_key": KEY}
SUCCESS = f"/ru/orders/{ORDER}/success?session_id={SESSION}"
FAILURE = f"/ru/orders/{ORDER}/payment-failed?session_id={SESSION}"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, **SETTINGS) as started:
        yield started


@pytest.fixture
async def site(running: World) -> AsyncIterator[Site]:
    async with one_story(running) as story:
        yield knowing(Site(story))


def knowing(site: Site, **changes: Any) -> Site:
    """SESSION is paid on our page: an order's, or a top-up of the site's owners."""
    fields: dict[str, Any] = {
        "session_id": SESSION, "payment_id": new_id(), "kind": "order", "order_id": ORDER, "status": "pending", "amount_minor": 99_000,
        "currency": "eur", "title": SCRIPT, "locale": "ru", "client_secret": SECRET, "success_path": SUCCESS, "failure_path": FAILURE,
        "expires_at": utc_now() + timedelta(hours=1),
    }  # fmt: skip

    async def checkout(query: GetCheckout) -> Any:
        if query.session_id != SESSION or (site.owners and query.viewer_user_id not in site.owners):
            return refused("session_not_found", query)
        return CheckoutView(**fields | changes)

    site.world.stand_ins.answers[GetCheckout] = checkout
    return site


def form_of(page: str) -> dict[str, str]:
    """The data attributes of the form."""
    (form,) = re.findall(r"<form id=\"checkout\"([^>]*)>", page)
    return {name: unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', form)}


def back_of(page: str) -> str:
    """Where the link at the end leads."""
    return unescape(re.findall(r'<p class="centred"><a href="([^"]+)">', page)[0])


def live_origin(site: Site) -> str:
    parts = urlsplit(site.world.settings.notifier_public_url)
    return f"{parts.scheme}://{parts.netloc}"


def policy_of(text: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in text.split(";"))


PAGE = f"/en/pay/{SESSION}"


async def test_the_page_has_all_that_its_script_needs_and_no_script_of_its_own_in_it(site: Site) -> None:
    answer = await site.page(PAGE)
    form = form_of(answer.text)
    scripts = re.findall(r"<script[^>]*>", answer.text)

    assert answer.status_code == 200
    assert (form["publishable-key"], form["client-secret"], form["return-path"], form["language"]) == (
        KEY,
        SECRET,
        f"/en/orders/{ORDER}/success?session_id={SESSION}",
        "en",
    )
    assert '<script src="https://js.stripe.com/endive/stripe.js" defer>' in scripts
    assert any(re.fullmatch(r'<script src="/static/checkout\.[0-9a-f]{16}\.js" defer>', script) for script in scripts)
    assert len(scripts) == answer.text.count("</script>") == answer.text.count("defer></script>"), "nothing between the tags"
    assert not re.search(r"\son[a-z]+=|style=|<style|javascript:", answer.text)
    assert (answer.text.count("€990.00"), "&lt;script&gt;" in answer.text) == (2, True), "the sum, large and on the button"
    assert 'role="alert" aria-live="assertive"' in answer.text
    assert "<noscript>" in answer.text
    assert re.search(r'<button id="pay"[^>]* disabled>', answer.text)
    assert back_of(answer.text) == FAILURE.replace("/ru/", "/en/")
    assert form_of((await site.page(f"/sr/pay/{SESSION}")).text)["language"] == "auto", "Stripe has no Serbian"


async def test_its_policy_lets_stripe_do_what_stripe_needs_and_nobody_else_anything(site: Site) -> None:
    answer = await site.page(PAGE)

    assert policy_of(answer.headers["content-security-policy"]) == {
        "default-src": "'none'",
        "script-src": "'self' https://js.stripe.com https://*.js.stripe.com",
        "style-src": "'self'",
        "frame-src": "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com https://link.com https://*.link.com",
        "connect-src": f"'self' {live_origin(site)} https://api.stripe.com https://link.com https://*.link.com",
        "img-src": "'self' https://*.link.com",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    other = policy_of((await site.page("/en/login")).headers["content-security-policy"])
    assert (other["script-src"], other["frame-src"]) == ("'self'", "'none'"), "only this page"
    assert not any("unsafe" in value for value in policy_of(answer.headers["content-security-policy"]).values())


def test_stripe_js_is_of_the_release_of_the_pinned_api_version() -> None:
    assert stripe.api_version == f"2026-10-28.{RELEASE}"
    assert stripe_js("https://api.stripe.com").address == f"https://js.stripe.com/{RELEASE}/stripe.js"


@pytest.mark.parametrize("base", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000", "https://localhost"])
def test_an_emulator_on_this_machine_brings_its_own_script_and_no_other_is_let_in(base: str) -> None:
    script = stripe_js(base)
    assert script.address == f"{base}/v3/"
    assert script.sources == Sources(base, base, base, base)
    policy = policy_of(security_policy("ws://localhost:8001", script.sources))
    assert policy["script-src"] == f"'self' {base}"
    assert policy["connect-src"] == f"'self' ws://localhost:8001 {base}"
    assert policy["frame-src"] == base


# ---- whose it is


async def test_a_top_up_is_only_its_payers(site: Site) -> None:
    site.owners.add("1")
    nobody = await site.page(PAGE)
    stranger = await site.page(PAGE, **logged_in("3"))
    script = await site.world.http.get(PAGE, headers=bearer("3"))
    payer = await site.page(PAGE, **logged_in())

    assert (nobody.status_code, nobody.headers["location"]) == (303, f"/en/login?next=%2Fen%2Fpay%2F{SESSION}")
    assert (stranger.status_code, stranger.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (script.status_code, script.json()["code"]) == (404, "session_not_found")
    assert form_of(payer.text)["client-secret"] == SECRET
    assert all(SECRET not in answer.text for answer in (nobody, stranger, script))


@pytest.mark.parametrize("path", [f"/de/pay/{SESSION}", "/en/pay/1", "/en/pay/01a1ff50-dc78-7c2b-9c20-d741021c8171x"])
async def test_there_is_no_other_page(site: Site, path: str) -> None:
    assert (await site.page(path, **logged_in())).status_code == 404


# ---- where it leads


@pytest.mark.parametrize(
    ("status", "leads"),
    [(status, SUCCESS) for status in ("completed", "refunded", "partially_refunded", "disputed")]
    + [(status, FAILURE) for status in ("failed", "canceled", "expired")],
)
async def test_what_is_over_leads_on_to_its_result(site: Site, status: str, leads: str) -> None:
    answer = await knowing(site, status=status, client_secret=None).page(f"{PAGE}?error=payment_failed")
    assert (answer.status_code, answer.headers["location"]) == (303, leads.replace("/ru/", "/en/")), "in the language that is read"


async def test_a_top_ups_payer_can_go_back_without_paying(site: Site) -> None:
    page = (await knowing(site, kind="deposit", order_id=None).page(PAGE, **logged_in())).text
    assert back_of(page) == "/en/balance/deposit"


async def test_a_sessions_payer_goes_back_to_the_session(site: Site) -> None:
    page = (await knowing(site, kind="payment", order_id=None, coaching_session_id="a:1").page(PAGE, **logged_in())).text
    assert back_of(page) == "/en/sessions/a%3A1/pay"


async def test_who_comes_before_the_provider_has_answered_is_asked_to_wait(site: Site) -> None:
    answer = await knowing(site, client_secret=None).page(PAGE)
    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert SECRET not in answer.text
    assert "stripe" not in answer.text.lower()


async def test_an_attempt_that_failed_is_told_and_another_one_offered(site: Site) -> None:
    first, again = await site.page(PAGE), await site.page(f"{PAGE}?error=payment_failed")
    assert "another card" not in first.text
    assert "another card" in again.text
    assert form_of(again.text)["client-secret"] == SECRET


async def test_without_a_publishable_key_the_page_says_so_and_the_log_too(amqp_url: str) -> None:
    async with gateway_world(amqp_url) as world:
        site = knowing(Site(world))
        with structlog.testing.capture_logs() as logs:
            page = await site.page(PAGE)
            script = await world.http.get(PAGE)
    assert (page.status_code, script.status_code, script.json()["code"]) == (503, 503, "provider_not_configured")
    assert "This way to pay is not available here yet. Nothing was charged" in page.text
    assert int(page.headers["retry-after"]) > 0
    assert "a payer cannot pay: STRIPE_PUBLISHABLE_KEY is not set here" in [line["event"] for line in logs]


# ---- the secret


async def test_neither_the_secret_nor_what_opens_an_order_is_in_the_log(site: Site) -> None:
    with structlog.testing.capture_logs() as logs:
        await site.page(PAGE)
        await site.page(f"/en/orders/{ORDER}/success?payment_intent=pi_1&payment_intent_client_secret={SECRET}")
    assert [line["event"] for line in logs] == ["request", "request"]
    assert SECRET not in repr(logs)
    assert str(SESSION) not in repr(logs)


@pytest.mark.parametrize("page", ["/en/balance/deposit/success", f"/en/orders/{ORDER}/success", "/en/sessions/7/paid"])
async def test_what_stripe_writes_behind_the_return_address_does_not_stay_there(site: Site, page: str) -> None:
    """Wherever a bank's page was in between, Stripe.js appends the client secret itself."""
    appended = f"payment_intent=pi_1&payment_intent_client_secret={SECRET}&redirect_status="
    came_back = await site.page(f"{page}?session_id={SESSION}&amount=990.00&{appended}succeeded", **logged_in())
    failed = await site.page(f"{page}?session_id={SESSION}&amount=990.00&{appended}failed", **logged_in())
    bare = await site.page(f"{page}?{appended}failed", **logged_in())

    assert (came_back.status_code, came_back.headers["location"]) == (303, f"{page}?session_id={SESSION}&amount=990.00")
    assert (failed.status_code, failed.headers["location"]) == (303, f"/en/pay/{SESSION}?error=payment_failed")
    assert (bare.status_code, bare.headers["location"]) == (303, page)
    assert not site.world.stand_ins.asked_of(GetOrder) + site.world.stand_ins.asked_of(GetPayment), "nothing is asked before that"


@pytest.mark.parametrize("made_up", ["%E2%82%AC", "a%0D%0ASet-Cookie%3A%20x%3D1", "%00", "a%3Fb%3D1", "%5Cevil.example"])
async def test_an_address_that_somebody_made_up_leads_back_to_itself(site: Site, made_up: str) -> None:
    page = f"/en/orders/{made_up}/success"
    answer = await site.page(f"{page}?payment_intent=pi_1")
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert "set-cookie" not in answer.headers
    assert (await site.page(page)).status_code == 404


async def test_the_script_is_a_file_of_ours_that_never_changes(site: Site) -> None:
    (name,) = re.findall(r'src="(/static/checkout\.[^"]+)"', (await site.page(PAGE)).text)
    script = await site.world.http.get(name, headers=HTML)

    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in script.headers["cache-control"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|console\.", script.text)
    needed = {word.strip() for word in re.findall(r"const \{([^}]+)\} = form\.dataset", script.text)[0].split(",")}
    given = {re.sub(r"-([a-z])", lambda match: match[1].upper(), name) for name in form_of((await site.page(PAGE)).text)}
    assert needed == given

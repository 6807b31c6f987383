"""The stand-in provider's page over the real broker: whose forms it takes, what it shows of whom, and where it leads."""

from __future__ import annotations

from html import unescape
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.base import new_id
from shared.contracts.orders import EndMockSession, GetMockSession, MockSessionView
from shared.contracts.payment_commands import CommandReply, CompleteMockSession
from tests.integration.gateway_world import ORIGIN, bearer, gateway_world, refused
from tests.integration.pages_world import ORDER, SESSION, Site, hidden, logged_in, session_view
from tests.integration.pages_world import running as running
from tests.integration.pages_world import site as site


async def test_the_page_shows_what_is_stored_whatever_the_query_says(site: Site) -> None:
    answers = [
        await site.page(f"/payment/mock?session_id={SESSION}&amount=1&currency=usd&order_id={new_id()}"),
        await site.page(f"/payment/mock?id={SESSION}"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert "990,00\u00a0RSD" in answer.text
        assert hidden(answer)["session_id"] == str(SESSION)
        assert '<html lang="ru"' in answer.text, "the payment's own language"
    assert '<html lang="sr-Latn"' in (await site.page(f"/sr/payment/mock?session_id={SESSION}")).text
    assert (await site.page(f"/de/payment/mock?session_id={SESSION}")).status_code == 404


@pytest.mark.parametrize("outcome", ["success", "failure", "cancel"])
async def test_a_form_without_its_token_decides_nothing(site: Site, outcome: str) -> None:
    fields = {"session_id": str(SESSION), "outcome": outcome}
    elsewhere = hidden(await site.page(f"/payment/mock?session_id={SESSION}"))["csrf_token"]
    for csrf in ({}, {"csrf_token": ""}, {"csrf_token": "é"}, {"csrf_token": elsewhere[:-1]}):
        answer = await site.send(fields | csrf)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    foreign = await site.send(fields | {"csrf_token": elsewhere}, Origin="https://evil.example")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "csrf_failed")
    assert not site.world.stand_ins.asked_of(CompleteMockSession)
    assert not site.world.stand_ins.asked_of(EndMockSession)


async def test_a_cookies_form_needs_its_sessions_own_token(site: Site) -> None:
    site.owners.add("1")
    me = logged_in()
    mine = hidden(await site.page(**me))
    again = hidden(await site.page(**me))
    site.owners.add("3")
    others = hidden(await site.page(**logged_in("3")))

    stolen = await site.send({**mine, "csrf_token": others["csrf_token"], "outcome": "success"}, **me)
    done = await site.send({**mine, "outcome": "success"}, Origin=ORIGIN, **me)

    assert again == mine
    assert stolen.status_code == 403
    assert done.status_code == 303
    (command,) = site.world.stand_ins.asked_of(CompleteMockSession)
    assert command.user_id == "1"


async def test_a_top_up_is_only_its_owners(site: Site) -> None:
    site.owners.add("1")
    nobody = await site.page()
    stranger = await site.page(**logged_in("3"))
    script = await site.world.http.get(f"/payment/mock?session_id={SESSION}", headers=bearer("3"))
    fields = hidden(await site.page(**logged_in()))
    forged = await site.send(fields | {"outcome": "success"}, **bearer("3"))

    assert nobody.status_code == 303
    assert nobody.headers["location"] == f"/en/login?next=%2Fpayment%2Fmock%3Fsession_id%3D{SESSION}"
    assert (stranger.status_code, stranger.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (script.status_code, script.json()["code"]) == (404, "session_not_found")
    assert forged.status_code == 404
    assert not site.world.stand_ins.asked_of(CompleteMockSession)


@pytest.mark.parametrize(
    ("outcome", "order", "leads"),
    [
        ("success", True, f"/ru/orders/{ORDER}/success?session_id={SESSION}"),
        ("cancel", True, f"/ru/orders/{ORDER}/payment-failed?session_id={SESSION}"),
        ("success", False, f"/ru/balance/deposit/success?session_id={SESSION}&amount=990.00"),
        ("cancel", False, f"/ru/balance/deposit?error=payment_failed&session_id={SESSION}"),
    ],
    ids=["order paid", "order canceled", "deposit paid", "deposit canceled"],
)
async def test_where_the_payer_is_led(site: Site, outcome: str, order: bool, leads: str) -> None:
    if not order:
        site.owners.add("1")
    me = logged_in()
    fields = hidden(await site.page(**me))
    answer = await site.send(fields | {"outcome": outcome}, **me)

    assert (answer.status_code, answer.headers["location"]) == (303, leads)


async def test_a_decided_session_has_no_buttons_left(site: Site) -> None:
    async def over(query: GetMockSession) -> MockSessionView:
        return session_view(status="failed", decided="failure")

    async def final(command: CompleteMockSession) -> Any:
        return CommandReply(answer=refused("session_final", command))

    fields = hidden(await site.page())
    site.world.stand_ins.answers |= {GetMockSession: over, CompleteMockSession: final}
    answer = await site.page()
    again = await site.send(fields | {"outcome": "success"})

    assert 'name="outcome"' not in answer.text
    assert f"/ru/orders/{ORDER}/payment-failed?session_id={SESSION}" in unescape(answer.text)
    assert again.headers["location"] == f"/ru/orders/{ORDER}/payment-failed?session_id={SESSION}", "what was decided, not what was pressed"


@pytest.mark.parametrize("locale", ["en", "sr"])
async def test_a_session_whose_time_is_over_says_so_and_leads_on(site: Site, locale: str) -> None:
    async def over(query: GetMockSession) -> MockSessionView:
        return session_view(order=False, status="expired")

    async def final(command: CompleteMockSession) -> Any:
        return CommandReply(answer=refused("session_final", command))

    fields = hidden(await site.page())
    site.world.stand_ins.answers |= {GetMockSession: over, CompleteMockSession: final}
    leads = f"/{locale}/balance/deposit?error=payment_failed&session_id={SESSION}"
    page = await site.page(f"/{locale}/payment/mock?session_id={SESSION}")
    late = await site.send(fields | {"outcome": "success"}, f"/{locale}/payment/mock")

    assert 'name="outcome"' not in page.text
    words = {"en": "The time for this payment is over. Nothing was charged.", "sr": "Vreme za ovu uplatu je isteklo. Ništa nije naplaćeno."}
    assert words[locale] in page.text
    assert f'href="{leads}"' in unescape(page.text)
    assert (late.status_code, late.headers["location"]) == (303, leads)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("session_id=1&outcome=success", "application/x-www-form-urlencoded", 404),
        (f"session_id={SESSION}&outcome=maybe", "application/x-www-form-urlencoded", 422),
        (f"session_id={SESSION}&outcome=success&outcome=cancel", "application/x-www-form-urlencoded", 422),
        ("&".join(f"a{n}=1" for n in range(50)), "application/x-www-form-urlencoded", 422),
        ("session_id=%ff", "application/x-www-form-urlencoded", 422),
        ("x" * 20_000, "application/x-www-form-urlencoded", 413),
        ("{}", "application/json", 415),
        ("", "multipart/form-data; boundary=x", 415),
    ],
    ids=["unknown session", "unknown outcome", "two outcomes", "many fields", "no text", "too long", "JSON", "multipart"],
)
async def test_what_is_no_form_of_ours(site: Site, content: str, kind: str, status: int) -> None:
    answer = await site.world.http.post("/payment/mock", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text


async def test_where_the_mock_is_off_there_is_no_page(amqp_url: str) -> None:
    async with gateway_world(amqp_url, providers=("stripe",)) as world:
        site = Site(world)
        shown_page = await site.page()
        sent = await site.send({"session_id": str(UUID(int=1)), "outcome": "success"})

    assert (shown_page.status_code, sent.status_code) == (404, 404)

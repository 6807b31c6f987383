"""The hosted pages over the real broker: nothing is smuggled in or out, and whoever comes back sees what is stored."""

from __future__ import annotations

import re
from typing import Any

import httpx

from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import CreateOrderPayment, GetInterpretation, OrderCreated
from shared.contracts.payment_commands import CommandReply
from tests.integration.gateway_world import ORIGIN, refused
from tests.integration.pages_world import ORDER, SESSION, Site, assert_nothing_inline, hidden
from tests.integration.pages_world import running as running
from tests.integration.pages_world import site as site


async def test_nothing_of_what_is_shown_is_run(site: Site) -> None:
    site.knows_order()
    answers = [await site.page(), await site.page(f"/en/orders/{ORDER}/payment-failed"), await site.page(f"/en/orders/{ORDER}/success")]
    for answer in answers:
        assert "&lt;script&gt;" in answer.text
        assert_nothing_inline(answer.text)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["style-src"], policy["form-action"]) == ("'none'", "'self'", "'self'")
        assert (policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin", "with no-referrer, browsers send our own forms with Origin: null"


# ---- where payers come back to


async def test_results_are_told_by_what_is_stored(site: Site) -> None:
    states = {
        "paid": {"status": "paid"},
        "waiting": {"payment_status": "pending"},
        "unpaid": {},
        "refunded": {"status": "refunded"},
        "troubled": {"status": "fulfilment_failed"},
    }
    told: dict[str, httpx.Response] = {}

    async def nothing(query: GetInterpretation) -> Any:
        return refused("interpretation_not_found", query)

    site.world.stand_ins.answers[GetInterpretation] = nothing
    for state, changes in states.items():
        site.knows_order(**changes)
        told[state] = await site.page(f"/en/orders/{ORDER}/success?session_id={new_id()}")

    assert len({re.findall(r'role="status"[^>]*>([^<]*)<', answer.text)[0] for answer in told.values()}) == 5
    assert ['http-equiv="refresh"' in answer.text for answer in told.values()] == [False, True, False, False, False]
    assert f"/en/orders/{ORDER}/payment-failed" in told["unpaid"].text


async def test_trying_again_needs_the_pages_form_and_stays_on_our_host(site: Site) -> None:
    def answering(url: str) -> Any:
        async def made(command: CreateOrderPayment) -> CommandReply[OrderCreated]:
            created = OrderCreated(
                order_id=command.order_id, payment_id=command.payment_id, session_id=SESSION, payment_url=url, amount_minor=1,
                currency="rsd", method="mock", expires_at=utc_now(),
            )  # fmt: skip
            return CommandReply(answer=created)

        return made

    path = f"/en/orders/{ORDER}/payment-failed"
    site.knows_order()
    site.world.stand_ins.answers[CreateOrderPayment] = answering(f"{ORIGIN}/payment/mock?session_id=2")
    fields = hidden(await site.page(path))
    without = await site.send({"x": ""}, path)
    of_another = await site.send(fields, f"/en/orders/{new_id()}/payment-failed")
    ours = await site.send(fields, path)
    site.world.stand_ins.answers[CreateOrderPayment] = answering("https://bank.example/pay")
    elsewhere = await site.send(fields, path)

    assert (without.status_code, of_another.status_code) == (403, 403)
    assert (ours.status_code, ours.headers["location"]) == (303, "/payment/mock?session_id=2")
    assert elsewhere.headers["location"] == f"/en/orders/{ORDER}/pay", "linked to from there: a form of ours may not lead away"


async def test_what_a_page_loads_has_a_name_for_ever(site: Site) -> None:
    names = re.findall(r'(?:href|src)="(/static/[^"]+\.[0-9a-f]{16}\.(?:css|js|svg))"', (await site.page()).text)
    files = [await site.world.http.get(name) for name in names]
    other = await site.world.http.get("/static/pages.0.css")

    assert {file.headers["content-type"].partition(";")[0] for file in files} == {"text/css", "text/javascript", "image/svg+xml"}
    assert {(file.status_code, file.headers["cache-control"]) for file in files} == {(200, "public, max-age=31536000, immutable")}
    assert other.status_code == 404

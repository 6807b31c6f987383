"""From an order to its payment, over the real broker: our own page, a page elsewhere, another try, and an order that is slow to be made."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.base import new_id
from shared.contracts.orders import CreateOrder, CreateOrderPayment, GetInterpretation, GetOrder
from shared.contracts.payment_commands import CommandReply
from tests.integration.gateway_world import ORIGIN, refused, silent
from tests.integration.pages_world import hidden, order_view
from tests.integration.pages_world import running as running
from tests.integration.shop_world import CONTACT, Shop, as_rendered
from tests.integration.shop_world import shop as shop


async def test_a_payment_page_elsewhere_is_gone_on_to_by_a_page_of_ours(shop: Shop) -> None:
    shop.payment_url = "https://demo.payform.ru/?do=pay&x=<b>"
    answer = await shop.send(as_rendered(await shop.form()) | CONTACT)
    (command,) = shop.asked
    assert answer.headers["location"] == f"/sr/orders/{command.order_id}/pay", "a form of ours may lead nowhere else"

    async def order(_: GetOrder) -> Any:
        return order_view(order_id=command.order_id, payment_status="pending", payment_url=shop.payment_url, method="prodamus")

    shop.world.stand_ins.answers[GetOrder] = order
    page = await shop.form(answer.headers["location"])
    assert page.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=https://demo.payform.ru/?do=pay&amp;x=&lt;b&gt;">' in page.text
    assert 'href="https://demo.payform.ru/?do=pay&amp;x=&lt;b&gt;"' in page.text


@pytest.mark.parametrize(
    ("changes", "leads"),
    [
        ({"payment_status": "pending", "payment_url": f"{ORIGIN}/payment/mock?session_id=2"}, "/payment/mock?session_id=2"),
        ({"payment_status": "failed"}, "/payment-failed"),
        ({"status": "expired", "payment_status": "expired"}, "/payment-failed"),
        ({"status": "paid", "payment_status": "completed"}, "/success"),
        ({"status": "fulfilled", "payment_status": "completed"}, "/success"),
    ],
)
async def test_the_way_to_the_payment_is_told_by_what_is_stored(shop: Shop, changes: dict[str, Any], leads: str) -> None:
    async def order(query: GetOrder) -> Any:
        return order_view(order_id=query.order_id, **changes)

    shop.world.stand_ins.answers[GetOrder] = order
    answer = await shop.form(f"/en/orders/{new_id()}/pay")

    assert answer.status_code == 303
    assert answer.headers["location"].endswith(leads)
    assert answer.headers["location"].startswith("/")


async def test_a_slow_order_is_waited_for_by_whoever_has_its_receipt(shop: Shop) -> None:
    async def unknown(query: GetOrder) -> Any:
        return refused("order_not_found", query)

    shop.world.stand_ins.answers |= {CreateOrder: silent, GetOrder: unknown}
    answer = await shop.send(as_rendered(await shop.form("/en/orders/chakras")) | CONTACT, "/en/orders/chakras")
    (command,) = shop.asked
    path, _, receipt = answer.headers["location"].partition("?receipt=")
    assert (answer.status_code, path) == (303, f"/en/orders/{command.order_id}/pay")

    waiting = await shop.form(answer.headers["location"])
    assert waiting.status_code == 200
    assert "Your order is on its way" in waiting.text
    assert re.search(r"<noscript><meta http-equiv=\"refresh\" content=\"\d+\"></noscript>", waiting.text)
    for wrong in (path, f"{path}?receipt={receipt}x", f"/en/orders/{UUID(int=7)}/pay?receipt={receipt}"):
        assert (await shop.form(wrong)).status_code == 404

    async def there(query: GetOrder) -> Any:
        return order_view(order_id=query.order_id, payment_status="pending", payment_url=None)

    shop.world.stand_ins.answers[GetOrder] = there
    assert "Your order is on its way" in (await shop.form(answer.headers["location"])).text, "made, but its session is not there yet"


async def test_hidden_fields_are_all_that_trying_again_needs(shop: Shop) -> None:
    async def order(query: GetOrder) -> Any:
        return order_view(order_id=query.order_id)

    shop.world.stand_ins.answers[GetOrder] = order
    page = await shop.form(f"/en/orders/{new_id()}/payment-failed")
    assert hidden(page).keys() == {"csrf_token", "idempotency_key"}


async def test_the_second_click_while_the_first_is_worked_on_waits_for_the_same(shop: Shop) -> None:
    async def in_use(command: CreateOrder | CreateOrderPayment) -> Any:
        return CommandReply(answer=refused("idempotency_key_in_use", command))

    async def order(query: GetOrder) -> Any:
        return order_view(order_id=query.order_id)

    shop.world.stand_ins.answers |= {CreateOrder: in_use, CreateOrderPayment: in_use, GetOrder: order}
    answer = await shop.send(as_rendered(await shop.form()) | CONTACT)
    (command,) = shop.asked
    path = f"/sr/orders/{command.order_id}"
    assert (answer.status_code, answer.headers.get("location", "").partition("?")[0]) == (303, f"{path}/pay")

    again = await shop.send(hidden(await shop.form(f"{path}/payment-failed")), f"{path}/payment-failed")
    assert (again.status_code, again.headers.get("location")) == (303, f"{path}/pay")


async def test_a_disputed_order_is_not_told_as_simply_paid(shop: Shop) -> None:
    async def order(query: GetOrder) -> Any:
        return order_view(order_id=query.order_id, status="disputed", payment_status="disputed")

    async def text(query: GetInterpretation) -> Any:
        return refused("interpretation_not_found", query)

    shop.world.stand_ins.answers |= {GetOrder: order, GetInterpretation: text}
    page = (await shop.form(f"/en/orders/{new_id()}/success")).text
    assert "your order is paid" not in page
    assert "This payment is disputed" in page

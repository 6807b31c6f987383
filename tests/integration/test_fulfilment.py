"""What was bought is made once, from what is stored, whatever fails on the way; what cannot be made is seen."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.integration.orders_world import OrdersWorld, orders_world, paid


async def bought(world: OrdersWorld, product: str = "moody") -> UUID:
    """The id of an order that is paid."""
    order = await world.order(product=product, points=None)
    await world.tell(paid(order.session_id, f"ch_{order.order_id}"))
    return order.order_id


async def test_the_text_is_made_of_the_stored_points_in_the_orders_locale_once(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order = await world.order(locale="ru")
        assert await world.read(order.order_id) == "order_not_paid"
        await world.tell(paid(order.session_id))
        assert await world.read(order.order_id) == "not_ready"
        await world.fulfil_due()
        text = await world.read(order.order_id)
        await world.fulfilments.advance(order.order_id)

        assert "Анахата" in text
        assert "Муладхара" not in text.split("\n\n")[0]
        assert await world.read(order.order_id) == text
        assert await world.status(order.order_id) == "fulfilled"


async def test_whoever_asks_too_early_waits_until_it_is_made(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order_id = await bought(world)
        waiting = asyncio.create_task(world.read(order_id, wait_seconds=10))
        await asyncio.sleep(0)
        await world.fulfil_due()

        assert await asyncio.wait_for(waiting, 5) == f"made for {order_id}"


async def test_a_passing_trouble_is_tried_again(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        world.moody.failures = 3
        order_id = await bought(world)
        await world.fulfil_due()
        (row,) = await world.payments.rows("select failure, next_at > now() as later from payments.orders")
        await world.fulfil_until_over(order_id)

        assert row == {"failure": "not in the mood", "later": True}
        assert await world.read(order_id) == f"made for {order_id}"


@pytest.mark.parametrize("trouble", ["for good", "again and again", "crashes"])
async def test_what_cannot_be_made_is_seen_and_tried_again_after_a_restart(fresh_database_url: str, trouble: str) -> None:
    async with orders_world(fresh_database_url) as world:
        world.moody.permanent, world.moody.crashes = trouble == "for good", trouble == "crashes"
        world.moody.failures = 1_000
        seen = REGISTRY.get_sample_value("purser_fulfilments_total", {"product": "moody", "outcome": "failed"}) or 0
        order_id = await bought(world)
        with capture_logs() as logs:
            await world.fulfil_until_over(order_id)

        assert await world.status(order_id) == "fulfilment_failed"
        assert await world.read(order_id) == "fulfilment_failed"
        assert [entry["log_level"] for entry in logs if entry.get("final")] == ["error"]
        assert {entry["order_id"] for entry in logs} == {str(order_id)[:18]}, "all of it would open what was bought"
        assert REGISTRY.get_sample_value("purser_fulfilments_total", {"product": "moody", "outcome": "failed"}) == seen + 1

        world.moody.permanent, world.moody.crashes, world.moody.failures = False, False, 0
        await world.fulfilments.try_failed_again()
        await world.fulfil_due()
        assert await world.read(order_id) == f"made for {order_id}"


async def test_what_is_no_longer_on_sale_waits_for_its_return(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order_id = await bought(world)
        gone = world.restarted({})
        for due in await gone.take_due(50):
            await gone.advance(due)
        assert await world.status(order_id) == "paid"
        await world.fulfil_until_over(order_id)

        assert await world.status(order_id) == "fulfilled"


async def test_a_crash_in_the_middle_is_gone_on_with_by_whoever_runs_next(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order_id = await bought(world)
        assert await world.fulfilments.take_due(50) == [order_id], "taken, then killed"
        assert await world.fulfil_due() == 0
        await world.fulfil_until_over(order_id)

        assert world.moody.made == [str(order_id)]


async def test_two_replicas_at_once_store_one_text(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order_id = await bought(world)
        await asyncio.gather(*(world.fulfilments.advance(order_id) for _ in range(8)))

        assert await world.read(order_id) == f"made for {order_id}"
        assert await world.status(order_id) == "fulfilled"


async def test_a_product_without_anything_to_deliver_is_done_when_paid(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order_id = await bought(world, "thing")

        assert await world.fulfil_due() == 0
        assert await world.status(order_id) == "paid"
        assert await world.read(order_id) == "interpretation_not_found"


@pytest.mark.parametrize(
    ("change", "status", "read"),
    [
        ("refunded_minor = amount_minor", "refunded", "order_refunded"),
        ("refunded_minor = 1", "partially_refunded", "made"),
        ("dispute_status = 'open'", "disputed", "made"),
        ("dispute_status = 'won'", "fulfilled", "made"),
    ],
)
async def test_what_became_of_the_money_is_the_orders_status(fresh_database_url: str, change: str, status: str, read: str) -> None:
    async with orders_world(fresh_database_url) as world:
        order_id = await bought(world)
        await world.fulfil_due()
        await world.execute(f"update payments.payments set {change}")  # noqa: S608 - of the table above

        assert await world.status(order_id) == status
        assert (await world.read(order_id)).startswith(read)

"""An order is made once with its payment, kept without a readable word about its maker, and refused with a reason that stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.payments.providers.base import Accepted, Unknown
from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import OrderCreated
from shared.contracts.payment_commands import Refused
from shared.delivery.errors import NotYet
from tests.integration.disk_world import on_disk
from tests.integration.orders_world import GUEST, POINTS, order_command, orders_world, paid


async def test_an_order_is_made_with_its_payment_at_the_products_price(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order(phone="+381 60 123 4567", external_id="shop-1", metadata={"from": "test"})

        assert (created.amount_minor, created.currency, created.method, created.status) == (99_000, "rsd", "mock", "pending")
        assert created.payment_url.endswith(
            f"/payment/mock?session_id={created.session_id}&amount=990.00&currency=rsd&order_id={created.order_id}"
        )
        view = await world.view(created.order_id)
        assert (view.status, view.product, view.title, view.locale) == ("pending", "chakras", "Čitanje", "sr")
        assert (view.email, view.phone) == ("a***@example.rs", "***4567"), "whoever knows the id sees no whole contact"
        assert list(view.points) == POINTS
        assert (view.payment_id, view.session_id, view.payment_url) == (created.payment_id, created.session_id, created.payment_url)
        assert (view.external_id, view.metadata) == ("shop-1", {"from": "test"})


async def test_nobody_reads_the_maker_or_the_points_off_the_disk(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order(key="key-1", email="ana.secret@example.rs", phone="+381601234567", birth_date="1990-05-17")
        await world.tell(paid(created.session_id))
        await world.fulfil_due()
        text = await world.read(created.order_id)
        disk = await on_disk(world.payments)

        assert str(created.order_id) in disk
        for secret in ("ana.secret", "601234567", "anahata", "1990-05-17", text[:20]):
            assert secret not in disk


async def test_a_date_of_birth_that_is_left_out_is_none_or_the_day_of_the_order(fresh_database_url: str) -> None:
    """As whoever took the order says: its older addresses mean today."""
    async with orders_world(fresh_database_url) as world:
        texts = []
        forms: list[dict[str, Any]] = [{"dated_when_ordered": True}, {"birth_date": utc_now().date()}, {}]
        for number, form in enumerate(forms):
            created = await world.order(key=f"key-{number}", **form)
            await world.tell(paid(created.session_id, f"ch_{number}"))
            await world.fulfil_due()
            texts.append(await world.read(created.order_id))

        dated, of_today, undated = texts
        assert dated == of_today != undated


async def test_fifty_parallel_repeats_make_one_order(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        replies = await asyncio.gather(*(world.orders.create(order_command("key-1")) for _ in range(50)))

        assert len({reply.answer.model_dump_json() for reply in replies}) == 1
        assert sum(not reply.replayed for reply in replies) == 1
        assert await world.payments.rows("select count(*) as n from payments.orders") == [{"n": 1}]
        assert await world.payments.rows("select count(*) as n from payments.mock_sessions") == [{"n": 1}]


async def test_a_guests_repeat_under_a_rolled_secret_is_no_second_order(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = (await world.orders.create(order_command("key-1", caller="guest:old"))).answer
        again = await world.orders.create(order_command("key-1", caller="guest:new", former_callers=("guest:old",)))
        stranger = (await world.orders.create(order_command("key-1", caller="guest:other"))).answer

        assert again.replayed
        assert again.answer == first
        assert stranger != first


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"product": "tarot"}, ("body", "product")),
        ({"email": None}, ("body", "email")),
        ({"points": []}, ("body", "points")),
        ({"points": None}, ("body", "points")),
        ({"points": [{"chakra": "anahata", "value": 11}]}, ("body", "points", 0, "value")),
        ({"points": [{"chakra": "anahata", "value": "7"}]}, ("body", "points", 0, "value")),
        ({"points": [{"chakra": "anahata", "value": 1}] * 2}, ("body", "points", 1, "chakra")),
        ({"birth_date": "2999-01-01"}, ("body", "birth_date")),
        ({"product": "thing"}, ("body", "points")),
        ({"locale": "de"}, ("body", "locale")),
    ],
)
async def test_a_bad_form_is_named_and_leaves_nothing_not_even_its_key(
    module_database_url: str, changes: dict[str, object], named: tuple[str | int, ...]
) -> None:
    async with orders_world(module_database_url) as world:
        refused = await world.refused(key=repr(changes), **changes)
        mended = await world.orders.create(order_command(repr(changes), body="mended"))

        assert (refused.code, [problem.loc for problem in refused.errors]) == ("invalid_request", [named])
        assert isinstance(mended.answer, OrderCreated)
        assert not mended.replayed


async def test_a_repeat_is_answered_though_the_product_is_no_longer_on_sale(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = await world.orders.create(order_command("key-1"))
        world.orders.products.pop("chakras")  # type: ignore[attr-defined]
        again = await world.orders.create(order_command("key-1"))

        assert again.replayed
        assert again.answer == first.answer


async def test_a_refused_order_tells_why_to_whoever_asks_later(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        command = order_command(method="stripe")
        reply = await world.orders.create(command)
        again = await world.pay_again(command.order_id)

        assert isinstance(reply.answer, Refused)
        view = await world.view(command.order_id)
        assert (reply.answer.code, view.status, view.problem) == ("method_not_available", "failed", reply.answer)
        assert isinstance(again, Refused)
        assert again.code == "order_failed"


async def test_an_external_id_is_one_orders_until_nobody_can_pay_it_any_more(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = await world.order(external_id="shop-1")
        taken = await world.refused(external_id="shop-1")
        await world.order(external_id="shop-1", caller="guest:other")
        await world.execute("update payments.payments set expires_at = now() where order_id = $1", first.order_id)
        assert await world.status(first.order_id) == "expired"
        second = await world.order(external_id="shop-1")
        first_again = await world.pay_again(first.order_id)

        assert taken.code == "external_id_reused"
        assert second.order_id != first.order_id
        assert isinstance(first_again, Refused)
        assert first_again.code == "external_id_reused", "another order has it by now"


async def test_a_command_that_came_too_late_leaves_nothing(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        refused = await world.refused(deadline=utc_now())

        assert refused.code == "deadline_passed"
        assert await world.payments.rows("select order_id from payments.orders") == []


async def test_a_crash_before_the_providers_answer_is_gone_on_with(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with orders_world(fresh_database_url) as world:
        command = order_command("key-1")

        async def silent(_: object, payment: object, payer: object, *, again: bool) -> Accepted | Unknown:
            return Unknown()

        with monkeypatch.context() as patch:
            patch.setattr(type(world.payments.mock), "create", silent)
            with pytest.raises(NotYet):
                await world.orders.create(command)
        assert await world.status(command.order_id) == "pending"
        repeated = (await world.orders.create(command)).answer

        assert isinstance(repeated, OrderCreated)
        assert (repeated.order_id, repeated.payment_id) == (command.order_id, command.payment_id)
        assert await world.payments.rows("select caller from payments.orders") == [{"caller": GUEST}]


async def test_there_is_no_such_order(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        nothing = await world.pay_again(new_id())

        assert isinstance(nothing, Refused)
        assert nothing.code == "order_not_found"
        assert await world.read(new_id()) == "order_not_found"
        assert (await world.mark(new_id())).code == "order_not_found"

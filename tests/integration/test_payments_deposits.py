"""A deposit is made once per key, answered with the same answer ever after, and refused with a reason that stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.payments.providers.base import Accepted, Unknown
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.queries import GetPayment, PaymentView
from shared.delivery.errors import NotYet
from tests.integration.payments_world import deposit_command, payments_world, sameness


async def test_a_deposit_makes_a_pending_payment_with_its_session(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()

        assert created.status == "pending"
        assert (created.amount_minor, created.currency, created.method) == (200_000, "rsd", "mock")
        assert f"session_id={created.session_id}&amount=2000.00&currency=rsd" in created.payment_url
        view = await world.views.payment(GetPayment(correlation_id="q", payment_id=str(created.payment_id), viewer_user_id="1"))
        assert isinstance(view, PaymentView)
        assert (view.status, view.payment_url, view.session_id) == ("pending", created.payment_url, created.session_id)


async def test_a_hundred_parallel_repeats_make_one_payment_and_one_answer(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        payment_id = new_id()
        commands = [deposit_command(payment_id=payment_id, idempotency=sameness("key-1")) for _ in range(100)]

        replies = await asyncio.gather(*(world.deposits.create(command) for command in commands))

        assert len({reply.answer.model_dump_json() for reply in replies}) == 1
        assert sum(not reply.replayed for reply in replies) == 1
        assert await world.rows("select count(*) as n from payments.payments") == [{"n": 1}]
        assert await world.rows("select count(*) as n from payments.mock_sessions") == [{"n": 1}]


async def test_the_key_decides_sameness_even_when_the_ids_differ(fresh_database_url: str) -> None:
    """A changed SECRET_KEY makes other ids of the same key; it must not double the payment."""
    async with payments_world(fresh_database_url) as world:
        first = await world.deposits.create(deposit_command(idempotency=sameness("key-1")))
        second = await world.deposits.create(deposit_command(idempotency=sameness("key-1")))

        assert second.replayed
        assert second.answer == first.answer
        assert await world.rows("select count(*) as n from payments.payments") == [{"n": 1}]


async def test_a_repeat_with_another_id_goes_on_with_the_payment_that_a_crash_left_half_made(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its answer, then SECRET_KEY was rolled: the client's repeat is another message with another id of the same key."""
    async with payments_world(fresh_database_url) as world:
        command = deposit_command(idempotency=sameness("key-1"))

        async def silent(_: object) -> Unknown:
            return Unknown()

        with monkeypatch.context() as patch:
            patch.setattr(type(world.mock), "create", lambda self, payment, payer, *, again: silent(payment))
            with pytest.raises(NotYet):
                await world.deposits.create(command)
        async with world.pool.acquire() as db:
            await db.execute("update payments.idempotency_keys set working_until = now() - interval '1 second'")

        repeat = await world.deposits.create(deposit_command(idempotency=sameness("key-1")))
        late = await world.deposits.create(command)

        assert isinstance(repeat.answer, DepositCreated)
        assert repeat.answer.payment_id == command.payment_id
        assert late.answer == repeat.answer
        assert await world.rows("select count(*) as n from payments.payments") == [{"n": 1}]


async def test_the_same_key_with_another_body_is_refused(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        await world.deposits.create(deposit_command(idempotency=sameness("key-1", body="2000")))
        reply = await world.deposits.create(deposit_command(idempotency=sameness("key-1", body="3000")))

        assert isinstance(reply.answer, Refused)
        assert reply.answer.code == "idempotency_key_reused"


async def test_the_same_key_of_another_caller_is_another_key(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        mine = await world.deposit(idempotency=sameness("key-1", caller="user:1"))
        theirs = await world.deposit(idempotency=sameness("key-1", caller="user:3"), user_id="3")

        assert mine.payment_id != theirs.payment_id


async def test_without_a_key_each_request_is_new(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        assert (await world.deposit()).payment_id != (await world.deposit()).payment_id


@pytest.mark.parametrize("key", [None, "key-1"])
async def test_a_command_delivered_again_after_a_crash_goes_on(
    fresh_database_url: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between writing the payment down and the provider's answer: the broker delivers the same message again."""
    async with payments_world(fresh_database_url) as world:
        command = deposit_command(idempotency=sameness(key))

        async def dies(_: object) -> Accepted:
            raise ConnectionResetError("killed here")

        with monkeypatch.context() as patch:
            patch.setattr(type(world.mock), "create", lambda self, payment, payer, *, again: dies(payment))
            with pytest.raises(ConnectionResetError):
                await world.deposits.create(command)
        reply = await world.deposits.create(command)

        assert isinstance(reply.answer, DepositCreated)
        assert reply.answer.payment_id == command.payment_id
        assert await world.rows("select count(*) as n from payments.payments") == [{"n": 1}]


async def test_a_repeat_while_the_first_is_at_work_is_told_so(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with payments_world(fresh_database_url) as world:
        at_work, go_on = asyncio.Event(), asyncio.Event()
        really = world.mock.create

        async def slow(*asked: Any, **how: Any) -> object:
            at_work.set()
            await go_on.wait()
            return await really(*asked, **how)

        monkeypatch.setattr(type(world.mock), "create", lambda self, *asked, **how: slow(*asked, **how))
        monkeypatch.setattr("services.payments.handlers.once._IN_USE_WAIT_SECONDS", 0.2)
        first = asyncio.create_task(world.deposits.create(deposit_command(idempotency=sameness("key-1"))))
        await at_work.wait()

        repeat = await world.deposits.create(deposit_command(idempotency=sameness("key-1")))
        go_on.set()

        assert isinstance(repeat.answer, Refused)
        assert repeat.answer.code == "idempotency_key_in_use"
        assert isinstance((await first).answer, DepositCreated)


async def test_a_provider_that_does_not_tell_is_asked_again(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with payments_world(fresh_database_url) as world:

        async def silent(_: object) -> Unknown:
            return Unknown()

        command = deposit_command()
        with monkeypatch.context() as patch:
            patch.setattr(type(world.mock), "create", lambda self, payment, payer, *, again: silent(payment))
            with pytest.raises(NotYet):
                await world.deposits.create(command)

        assert isinstance((await world.deposits.create(command)).answer, DepositCreated)


async def test_a_command_past_its_deadline_leaves_no_trace_and_its_key_is_free_for_a_repeat(fresh_database_url: str) -> None:
    """What lay in the queue during a long outage must not spoil the key for the client that is still repeating."""
    async with payments_world(fresh_database_url) as world:
        stale = deposit_command(idempotency=sameness("key-1"), deadline=utc_now() - timedelta(seconds=1))

        late = await world.deposits.create(stale)
        repeat = await world.deposits.create(
            stale.model_copy(update={"message_id": new_id(), "deadline": utc_now() + timedelta(seconds=60)})
        )

        assert isinstance(late.answer, Refused)
        assert late.answer.code == "deadline_passed"
        assert isinstance(repeat.answer, DepositCreated)
        assert not repeat.replayed


async def test_a_command_that_was_begun_in_time_is_finished_however_late(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with payments_world(fresh_database_url) as world:
        command = deposit_command(idempotency=sameness("key-1"))

        async def silent(_: object) -> Unknown:
            return Unknown()

        with monkeypatch.context() as patch:
            patch.setattr(type(world.mock), "create", lambda self, payment, payer, *, again: silent(payment))
            with pytest.raises(NotYet):
                await world.deposits.create(command)

        late = await world.deposits.create(command.model_copy(update={"deadline": utc_now() - timedelta(seconds=1)}))
        assert isinstance(late.answer, DepositCreated)


async def test_outside_production_the_mock_stands_in_for_a_known_method(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        with capture_logs() as lines:
            assert (await world.deposit(method="stripe")).method == "mock"
            assert (await world.deposit(method=None)).method == "mock"

        assert [line["asked"] for line in lines if "MOCK MODE" in line["event"]] == ["stripe"], "the other asked for no other"


async def test_a_method_that_is_off_is_refused_with_the_list(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        command = deposit_command(method="paypal", idempotency=sameness("key-1"))
        first = await world.deposits.create(command)
        again = await world.deposits.create(command.model_copy(update={"correlation_id": "request-9"}))

        assert isinstance(first.answer, Refused)
        assert first.answer.code == "method_not_available"
        assert first.answer.errors[0].loc == ("body", "method")
        assert "mock" in first.answer.errors[0].msg
        assert again.replayed
        assert again.answer == first.answer, "the first answer, with the first request's id"


async def test_nobody_else_sees_the_payment_but_an_admin(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()

        async def seen(viewer: str, *, is_admin: bool = False) -> bool:
            query = GetPayment(correlation_id="q", payment_id=str(created.payment_id), viewer_user_id=viewer, viewer_is_admin=is_admin)
            return isinstance(await world.views.payment(query), PaymentView)

        assert (await seen("1"), await seen("3"), await seen("9", is_admin=True)) == (True, False, True)

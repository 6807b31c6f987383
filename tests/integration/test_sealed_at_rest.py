"""Nobody reads a payer or a secret off the disk; what was kept before it was sealed is still told as it was; data keys can be rolled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from services.payments import idempotency
from services.payments.domain.facts import Paid
from services.payments.domain.payments import Payment
from services.payments.providers.base import Accepted, Created, Payer
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.sealing import Seal, Unreadable
from tests.integration.disk_world import on_disk, written_before
from tests.integration.intents_world import an_intent, emptied, intent_command, view_of
from tests.integration.orders_world import OrdersWorld, order_command, orders_world
from tests.integration.payments_world import ANSWERS, DATA_KEY, PaymentsWorld, deposit_command, payments_world, sameness
from tests.integration.scripted_provider import ScriptedProvider
from tests.integration.withdrawals_world import ACCOUNT, withdraw_command, withdrawals_world

EMAIL = "ana.secret@example.rs"
PHONE = "+381601234567"
READABLE = (EMAIL, quote(EMAIL), "ana.secret", "601234567", "_secret_", "https://pay.example.org/")
"""What a thief looks for: whom a link names, and what is as good as a key."""


@dataclass
class Talkative(ScriptedProvider):
    """Its links name the payer, as Prodamus' do, and its sessions have a secret, as Stripe's do."""

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        created = await super().create(payment, payer, again=again)
        assert isinstance(created, Accepted)
        named = f"customer_email={quote(payer.email or EMAIL)}&customer_phone={quote(payer.phone or PHONE)}"
        return replace(created, payment_url=f"{created.payment_url}?{named}")


PROVIDER = Talkative()


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OrdersWorld]:
    async with orders_world(module_database_url, more=[PROVIDER]) as started:
        yield started


@pytest.fixture
async def world(running: OrdersWorld, module_database_url: str) -> OrdersWorld:
    await emptied(running.payments, module_database_url)
    return running


def command(what: str, key: str) -> Any:
    """One of the ways to a payment at the provider."""
    match what:
        case "deposit":
            return deposit_command(method="stripe", idempotency=sameness(key))
        case "intent":
            return intent_command(method="stripe", idempotency=sameness(key))
        case _:
            return order_command(key, method="stripe", email=EMAIL, phone=PHONE)


async def asked(world: OrdersWorld, what: str) -> Any:
    """The reply to the same request each time."""
    makers: dict[str, Any] = {"deposit": world.payments.deposits, "intent": world.payments.intents, "order": world.orders}
    return await makers[what].create(command(what, "key-1"))


# ---- on the disk


@pytest.mark.parametrize("what", ["deposit", "intent", "order"])
async def test_nobody_reads_a_payer_or_a_secret_off_the_disk(world: OrdersWorld, what: str) -> None:
    answer = (await asked(world, what)).answer
    assert quote(EMAIL) in answer.payment_url
    payment = PROVIDER.creations[-1][0]
    assert payment.session_id is not None
    await world.tell(PROVIDER.event(Paid(payment.session_id, "pi_1", payment.money, utc_now())))

    disk = await on_disk(world.payments)

    assert "pi_1" in disk, "what is no secret is there to be read, so that a search finds what lies open"
    assert [one for one in READABLE if one in disk] == []


async def test_nobody_reads_the_secret_of_a_mock_payment_or_its_signed_event_off_the_disk(world: OrdersWorld) -> None:
    intent = await an_intent(world.payments, idempotency=sameness("key-1"))
    deposit = await world.payments.deposit(idempotency=sameness("key-2"))
    event = await world.payments.decide(deposit.session_id, idempotency=sameness("key-3"))

    disk = await on_disk(world.payments)

    assert intent.client_secret is not None
    assert str(deposit.session_id) in disk
    assert [one for one in (intent.client_secret, event.headers["webhook-signature"], deposit.payment_url) if one in disk] == []


async def test_nobody_reads_an_account_off_the_disk_not_even_its_last_figures_in_an_answer(fresh_database_url: str) -> None:
    async with withdrawals_world(fresh_database_url) as world:
        made: Any = (await world.withdrawals.create(withdraw_command("key-1"))).answer
        disk = await on_disk(world.payments)

        assert str(made.withdrawal_id) in disk
        assert ACCOUNT not in disk
        assert "0000000056789" not in disk
        assert "Jovanović" not in disk
        assert await world.payments.rows("select 1 from payments.idempotency_keys where answer is not null or sealed_answer is null") == []


async def test_sealing_costs_a_top_up_two_seals_and_a_repeat_one_opening(world: OrdersWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is opened that was sealed a moment ago: on the way of every payment, a few dozen microseconds count."""
    counted: list[str] = []
    for name in ("close", "open"):
        monkeypatch.setattr(Seal, name, noted(counted, name, getattr(Seal, name)))

    await world.payments.deposit(idempotency=sameness("key-1"))
    first, counted[:] = list(counted), []
    await world.payments.deposit(idempotency=sameness("key-1"))
    repeat, counted[:] = list(counted), []
    await world.payments.deposit()

    assert (first, repeat, counted) == (["close", "close"], ["open"], ["close"])


def noted(calls: list[str], name: str, method: Callable[..., bytes]) -> Callable[..., bytes]:
    def call(*arguments: Any) -> bytes:
        calls.append(name)
        return method(*arguments)

    return call


# ---- written before it was sealed


@pytest.mark.parametrize("what", ["deposit", "intent", "order"])
async def test_an_answer_that_was_kept_before_is_replayed_as_it_was(world: OrdersWorld, what: str) -> None:
    first = await asked(world, what)
    await written_before(world.payments)
    disk = await on_disk(world.payments)
    assert all(one in disk for one in ("ana.secret", "https://pay.example.org/")), "it does lie there"
    creations = len(PROVIDER.creations)

    again = await asked(world, what)

    assert again.replayed
    assert again.answer.model_dump_json() == first.answer.model_dump_json()
    assert len(PROVIDER.creations) == creations
    (kept,) = await world.payments.rows("select answer, sealed_answer from payments.idempotency_keys")
    assert kept == {"answer": first.model_dump_json(), "sealed_answer": None}


async def test_a_link_that_was_kept_before_is_shown_and_leads_on_where_no_answer_was_kept(world: OrdersWorld) -> None:
    first = (await asked(world, "order")).answer
    await written_before(world.payments)
    await world.execute("update payments.idempotency_keys set answer = null, working_until = now() - interval '1 second'")
    creations = len(PROVIDER.creations)

    view = await world.view(first.order_id)
    again = await asked(world, "order")

    assert view.payment_url == first.payment_url
    assert again.answer == first
    assert len(PROVIDER.creations) == creations
    (row,) = await world.payments.rows("select payment_url, sealed_url from payments.payments")
    assert row == {"payment_url": first.payment_url, "sealed_url": None}


async def test_the_first_answer_wins_whichever_way_it_was_kept(world: OrdersWorld) -> None:
    """While a new version is rolled out, the old one keeps answers beside it."""
    before, since = sameness("key-1"), sameness("key-2")
    async with postgres.transaction(world.payments.pool) as tx:
        for request in (before, since):
            await idempotency.claim(tx, ANSWERS, request, new_id())
        await tx.execute("update payments.idempotency_keys set answer = 'first' where key_hash = $1", before.key_hash)

        assert await idempotency.keep(tx, ANSWERS, before, "second") == "first"
        assert await idempotency.keep(tx, ANSWERS, since, "first") == "first"
        assert await idempotency.keep(tx, ANSWERS, since, "second") == "first"
        for request in (before, since):
            assert await idempotency.claim(tx, ANSWERS, request, new_id()) == idempotency.Answered("first")


# ---- rolling DATA_KEYS

OLD, NEW = DATA_KEY, "another-data-key-of-the-tests-0123456789"


async def test_both_keys_open_while_rolling_and_the_new_one_seals(fresh_database_url: str) -> None:
    async def top_up(world: PaymentsWorld, key: str) -> Any:
        return await world.deposits.create(deposit_command(method="stripe", idempotency=sameness(key)))

    async def shown(world: PaymentsWorld, reply: Any) -> Any:
        return await view_of(world, reply.answer.payment_id)

    def with_keys(*data_keys: str) -> Any:
        return payments_world(fresh_database_url, enabled=("stripe",), more=[PROVIDER], data_keys=data_keys)

    async with with_keys(OLD) as world:
        old = await top_up(world, "key-1")
    async with with_keys(NEW, OLD) as world:
        new = await top_up(world, "key-2")
        assert (await top_up(world, "key-1")).answer == old.answer
        assert (await shown(world, old)).payment_url == old.answer.payment_url
    async with with_keys(NEW) as world:
        assert (await top_up(world, "key-2")).answer == new.answer
        assert (await shown(world, new)).payment_url == new.answer.payment_url
        with pytest.raises(Unreadable):
            await top_up(world, "key-1")
        without = await shown(world, old)
        assert (without.status, without.payment_url) == ("pending", None), "what does not need the key is still told"

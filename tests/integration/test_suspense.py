"""Money that does not fit is kept in the transaction that stores its proof, once, on every road, and the book has it in suspense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from structlog.testing import capture_logs

from shared.contracts.base import new_id
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.wallet_commands import MoveFunds
from tests.integration.operators_world import OperatorsWorld, a_charge, operators_world


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


@pytest.fixture
async def world(running: OperatorsWorld) -> AsyncIterator[OperatorsWorld]:
    """With suspense as the book's: whatever a story did, what suspense has is what its items say."""
    yield running
    running.ledger.lost.clear()
    running.ledger.unheard.clear()
    await running.resume()
    for currency in ("usd", "eur"):
        (row,) = await running.rows(
            """
            select coalesce(sum(amount_minor), 0)::bigint as minor from payments.suspense_items
            where currency = $1 and received_at is not null and settled_at is null
            """,
            currency,
        )
        assert await running.account("suspense", currency=currency) == row["minor"]


@pytest.mark.parametrize(
    ("told", "reason"),
    [({"currency": "eur"}, "currency_mismatch"), ({"amount_minor": 4_999}, "less_than_asked")],
)
async def test_money_that_does_not_fit_is_an_open_item_and_an_alert(world: OperatorsWorld, told: dict[str, object], reason: str) -> None:
    made = await world.deposit(world.somebody())
    event = a_charge(made.session_id, **told)

    with capture_logs() as lines:
        assert await world.tell(event) == [reason]
        await world.tell(event)
    await world.resume()

    (item,) = await world.items(made.payment_id)
    assert (item.reason, item.status, item.decided_by) == (reason, "open", None)
    assert (item.amount_minor, item.currency) == (told.get("amount_minor", 5_000), told.get("currency", "usd"))
    assert await world.status(made.payment_id) == "pending"
    (alert,) = [line for line in lines if line["event"] == "money in suspense"]
    assert (alert["log_level"], alert["item_id"]) == ("error", str(item.item_id))


async def test_an_event_that_names_nothing_of_ours_is_kept_with_what_it_named(world: OperatorsWorld) -> None:
    session_id = new_id()

    assert await world.tell(a_charge(session_id, charge="ch_unknown")) == ["unknown_reference"]
    await world.resume()

    (item,) = [item for item in await world.items(None) if item.session_id == session_id]
    assert (item.reference, item.reason, item.payment_id) == ("ch_unknown", "unknown_reference", None)


async def test_another_providers_word_is_no_proof(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())
    await world.rows("update payments.payments set provider = 'stripe' where payment_id = $1 returning 1", made.payment_id)

    assert await world.tell(a_charge(made.session_id, charge="ch_elsewhere")) == ["unknown_reference"]

    assert await world.status(made.payment_id) == "pending"
    (item,) = [item for item in await world.items(None) if item.session_id == made.session_id]
    assert (item.provider, item.reference) == ("mock", "ch_elsewhere")


async def test_of_more_than_was_asked_the_payer_gets_what_was_asked_and_the_rest_is_kept(world: OperatorsWorld) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)
    event = a_charge(made.session_id, amount_minor=7_000)

    assert await world.tell(event) == ["applied"]
    await world.tell(event, a_charge(made.session_id, charge=event_charge(event), amount_minor=7_000))
    await world.resume()

    assert await world.available(payer) == 5_000
    (rest,) = await world.items(made.payment_id)
    assert (rest.amount_minor, rest.reason, rest.status) == (2_000, "more_than_asked", "open")


def event_charge(event: ProviderEventReceived) -> str:
    charge: str = orjson.loads(event.body)["data"]["charge"]
    return charge


async def test_a_second_charge_is_its_payers_own_at_once(world: OperatorsWorld) -> None:
    """lago #3618: settled twice within milliseconds. Two charges in one batch: one completes it, the other is credited too."""
    payer = world.somebody()
    made = await world.deposit(payer)

    outcomes = await world.tell(a_charge(made.session_id), a_charge(made.session_id))
    await world.resume()

    assert sorted(outcomes) == ["applied", "second_payment"]
    assert await world.available(payer) == 10_000
    (item,) = await world.items(made.payment_id)
    assert (item.status, item.assigned_user_id, item.decided_by) == ("assigned", payer, "system")


async def test_fifty_charges_at_once_are_each_credited_once(world: OperatorsWorld) -> None:
    """lago #3618: whatever settles at the same time, in whatever batches, and told twice."""
    payer = world.somebody()
    made = await world.deposit(payer, 100)
    events = [a_charge(made.session_id, amount_minor=100) for _ in range(50)]

    await asyncio.gather(*(world.settlement.handle(events[n : n + 5]) for n in range(0, 50, 5)), world.settlement.handle(events))
    await world.credit()
    for _ in range(3):
        await world.resume()

    assert await world.available(payer) == 5_000
    assert len(await world.items(made.payment_id)) == 49


async def test_the_reconciler_finds_it_too_and_does_not_keep_it_twice(world: OperatorsWorld) -> None:
    made = await world.deposit(world.somebody())
    await world.refunds.payments.decide(made.session_id, user_id=await payer_of(world, made.payment_id))
    await world.rows(
        "update payments.mock_sessions set paid_amount_minor = 1, paid_currency = 'usd' where session_id = $1 returning 1", made.session_id
    )

    for _ in range(2):
        await world.rows("update payments.payments set reconcile_at = now() where payment_id = $1 returning 1", made.payment_id)
        await world.reconciler.reconcile_due()
    (item,) = await world.items(made.payment_id)
    assert (item.amount_minor, item.reason) == (1, "less_than_asked")
    assert await world.status(made.payment_id) == "pending", "it can still be paid"

    await world.rows(
        "update payments.payments set expires_at = now(), reconcile_at = now() where payment_id = $1 returning 1", made.payment_id
    )
    await world.reconciler.reconcile_due()
    assert await world.status(made.payment_id) == "expired", "nobody waits for it for ever"
    assert len(await world.items(made.payment_id)) == 1


async def payer_of(world: OperatorsWorld, payment_id: object) -> str:
    (row,) = await world.rows("select user_id from payments.payments where payment_id = $1", payment_id)
    return str(row["user_id"])


@pytest.mark.parametrize("status", ["expired", "failed", "canceled"])
async def test_money_after_the_end_of_a_known_payment_still_completes_it(world: OperatorsWorld, status: str) -> None:
    payer = world.somebody()
    made = await world.deposit(payer)
    await world.rows("update payments.payments set status = $2 where payment_id = $1 returning 1", made.payment_id, status)

    assert await world.tell(a_charge(made.session_id)) == ["applied"]

    assert await world.available(payer) == 5_000
    assert await world.items(made.payment_id) == []


@pytest.mark.parametrize("trouble", ["lost", "unheard"])
async def test_a_silent_wallet_is_asked_again_and_has_it_once(world: OperatorsWorld, trouble: str) -> None:
    payer = world.somebody()
    made = await world.paid_deposit(payer)
    before = await world.account("suspense")
    getattr(world.ledger, trouble)[MoveFunds] = 1
    await world.tell(a_charge(made.session_id))

    for _ in range(4):
        getattr(world.ledger, trouble)[MoveFunds] += 1
        await world.resume()
        (item,) = await world.items(made.payment_id)
    world.ledger.lost.clear()
    world.ledger.unheard.clear()
    await world.resume()

    (item,) = await world.items(made.payment_id)
    assert item.status == "assigned"
    assert await world.available(payer) == 10_000
    assert await world.account("suspense") == before

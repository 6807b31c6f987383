"""The running wallet between the real broker and the real database: credits in envelopes, bad ones among good ones, repeats, questions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from services.wallet.consumers import consume_credits
from services.wallet.handlers.credits import Credits
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.queries import (
    BalancesView,
    GetBalances,
    GetWalletHealth,
    HealthView,
    ListTransactions,
    OpenStream,
    StreamOpened,
    TransactionPage,
)
from shared.contracts.topology import WALLET_PAYMENT_COMPLETED
from shared.delivery.envelopes import pack
from tests.integration.running_wallet_world import ROUTE, RunningWorld, received, running_wallet_world
from tests.integration.wallet_world import completed

DEAD = WALLET_PAYMENT_COMPLETED.dead_name


@pytest.fixture
async def world(fresh_database_url: str, amqp_url: str) -> AsyncIterator[RunningWorld]:
    async with running_wallet_world(fresh_database_url, amqp_url) as world:
        yield world


async def test_an_envelope_of_credits_becomes_balances_and_their_events(world: RunningWorld) -> None:
    balances = await world.listen_to_balances()
    async with world.wallet():
        events = [completed(user_id=str(n % 3), correlation_id=f"request-{n}") for n in range(99)]
        await world.publish(*events)
        await world.until_posted(*events)
        changes = await received(balances, 99)
    assert {await world.book.balance(str(n)) for n in range(3)} == {(33 * 2000, 33)}
    for user_id in "012":
        assert [c.version for c in changes if c.user_id == user_id] == list(range(1, 34))
    assert {c.correlation_id for c in changes} == {e.correlation_id for e in events}
    assert await world.book.rows("select from wallet.outbox where sent_at is null") == []


async def test_a_lone_credit_does_not_wait_for_company(world: RunningWorld) -> None:
    """Asked before it is there, answered when it is committed: batching costs a lone payment nothing that one would notice."""
    async with world.wallet():
        await world.ask(GetWalletHealth(correlation_id="q"), HealthView)
        took = []
        for _ in range(10):
            event = completed()
            started = time.perf_counter()
            await world.publish(event)
            await world.until_posted(event)
            took.append(time.perf_counter() - started)
    assert sorted(took)[5] < 0.2, took


async def test_bad_events_are_split_from_their_neighbours(world: RunningWorld) -> None:
    """One that cannot be read, one whose currency is none, one that the database cannot hold: three dead letters, all others credited."""
    good = [completed(user_id="1") for _ in range(20)]
    unreadable = completed().model_dump(mode="json") | {"amount_minor": "-5"}
    no_currency = completed(currency="zzz", correlation_id="request-zzz")
    not_text = completed(description="\x00", correlation_id="request-nul")
    async with world.wallet():
        items = [event.model_dump_json().encode() for event in (*good[:10], no_currency, not_text, *good[10:])]
        await world.publish_bytes(pack(ROUTE.key, [*items, orjson.dumps(unreadable)]))
        await world.publish_bytes(b"not an envelope")
        await world.until_posted(*good)
        letters = await world.dead_letters(4)
    assert await world.book.balance("1") == (20 * 2000, 20)
    reasons = sorted(str(headers["x-reason"]) for headers, _ in letters)
    assert "UnknownCurrency" in "".join(reasons)
    assert "CharacterNotInRepertoireError" in "".join(reasons)
    assert "does not fit payment.completed.v1: amount_minor" in "".join(reasons)
    assert "not JSON" in "".join(reasons)
    # What is wrong with the message itself is not tried again.
    assert {headers["x-attempts"] for headers, _ in letters} == {1}
    # Each is an envelope of its own, so that it can be sent again as it is.
    assert [len(orjson.loads(body)["events"]) for _, body in letters if body != b"not an envelope"] == [1, 1, 1]


async def test_a_conflicting_reference_is_a_dead_letter_not_a_duplicate(world: RunningWorld) -> None:
    first = completed(credit_reference="mock:ch-1")
    contrary = completed(credit_reference="mock:ch-1", payment_id=first.payment_id, user_id="2")
    neighbour = completed(user_id="3")
    async with world.wallet():
        await world.publish(first)
        await world.until_posted(first)
        await world.publish(contrary, neighbour)
        ((headers, body),) = await world.dead_letters(1)
        await world.until_posted(neighbour)
    assert "ReferenceConflict" in str(headers["x-reason"])
    assert orjson.loads(body)["events"][0]["user_id"] == "2"
    assert await world.book.balance("1") == (2000, 1)
    assert await world.book.balance("2") == (0, 0)
    assert await world.book.balance("3") == (2000, 1)


async def test_a_session_is_credited_less_its_fee_and_an_order_is_revenue(world: RunningWorld) -> None:
    session = completed(user_id="2", payer_id="1", kind="payment", amount_minor=1000, fee_minor=33)
    order = completed(user_id=None, kind="order", amount_minor=700)
    from_balance = completed(user_id="2", payer_id="1", kind="payment", provider="balance")
    top_up = completed(user_id="2")
    async with world.wallet():
        await world.publish(session, order, from_balance, top_up)
        await world.publish(session, order)
        await world.until_posted(session, order, top_up)
        last = completed(user_id="last")
        await world.publish(last)
        await world.until_posted(last)
    assert await world.book.balance("2") == (967 + 2000, 2)
    rows = await world.book.rows(
        """
        select transfer.reference, transfer.kind, target.kind as target, target.owner, transfer.amount_minor
        from wallet.transfers as transfer join wallet.accounts as target on target.account_id = transfer.target_id
        where target.owner <> 'last'
        """
    )
    assert {tuple(row.values()) for row in rows} == {
        (session.credit_reference, "payment", "user", "2", 967),
        (f"{session.credit_reference}#1", "fee", "fees", "platform", 33),
        (order.credit_reference, "payment", "revenue", "platform", 700),
        (top_up.credit_reference, "deposit", "user", "2", 2000),
    }
    assert await world.rest(DEAD) == 0


async def test_a_payment_told_with_another_fee_is_a_dead_letter_of_its_own(world: RunningWorld) -> None:
    """Half of it would fit what is known: nothing of it is posted, and its neighbours are."""
    told = completed(user_id="2", kind="payment", amount_minor=1000)
    contrary = told.model_copy(update={"amount_minor": 1100, "fee_minor": 100})
    neighbours = [completed(user_id="3", kind="payment", amount_minor=1000, fee_minor=10) for _ in range(3)]
    too_dear = completed(user_id="2", kind="payment", amount_minor=1000, fee_minor=1000)
    async with world.wallet():
        await world.publish(told)
        await world.until_posted(told)
        await world.publish(*neighbours[:2], contrary, too_dear, neighbours[2])
        letters = await world.dead_letters(2)
        await world.until_posted(*neighbours)
    reasons = sorted(str(headers["x-reason"]) for headers, _ in letters)
    assert "ReferenceConflict" in reasons[0]
    assert "moves more than zero" in reasons[1]
    assert await world.book.balance("2") == (1000, 1)
    assert await world.book.balance("3") == (3 * 990, 3)
    assert await world.book.rows("select count(*) as n from wallet.transfers") == [{"n": 7}]


async def test_getlago_2243_success_told_several_times_at_once_is_one_credit(world: RunningWorld) -> None:
    """The same envelope again and again, its events again in others, over two wallets at once."""
    events = [completed(user_id=str(n % 4)) for n in range(30)]
    async with world.wallet(), world.wallet():
        await asyncio.gather(*(world.publish(*events) for _ in range(5)), *(world.publish(event) for event in events))
        await world.until_posted(*events)
        last = completed(user_id="last")
        await world.publish(last)
        await world.until_posted(last)
    assert await world.book.rows("select count(*) as n from wallet.transfers") == [{"n": 31}]
    assert sum([(await world.book.balance(str(n)))[0] for n in range(4)]) == 30 * 2000
    assert await world.rest(DEAD) == 0


async def test_what_was_committed_but_not_acknowledged_is_delivered_again_and_credited_once(world: RunningWorld) -> None:
    """The wallet loses the database after its commit and before it knows; then it goes down with the batch in hand."""
    batches: list[int] = []
    stuck = asyncio.Event()

    class LosesTheAnswer(Credits):
        async def handle(self, events: Sequence[PaymentCompleted]) -> Any:
            await super().handle(events)
            batches.append(len(events))
            stuck.set()
            raise ConnectionResetError("the answer was lost")

    events = [completed() for _ in range(3)]
    consumer = consume_credits(world.link, world.publisher, LosesTheAnswer(world.book.pool, lambda _: None))
    await consumer.start()
    await world.publish(*events)
    async with asyncio.timeout(10):
        await stuck.wait()
    await consumer.stop(0.1)
    async with world.wallet():
        await world.until_posted(*events)
        last = completed(user_id="last")
        await world.publish(last)
        await world.until_posted(last)
        assert await world.rest(WALLET_PAYMENT_COMPLETED.name) == 0
    assert await world.book.balance("1") == (3 * 2000, 3)
    assert await world.rest(DEAD) == 0


async def test_questions_are_answered_over_the_broker(world: RunningWorld) -> None:
    async with world.wallet() as port:
        event = completed(amount_minor=5, currency="jpy")
        asked_before = asyncio.create_task(world.until_posted(event))
        await world.publish(event, completed())
        await asked_before

        view = await world.ask(GetBalances(correlation_id="q", user_ids=("1",), currency="jpy"), BalancesView)
        assert [(b.currency, b.available_minor, b.version) for b in view.balances] == [("jpy", 5, 1)]

        page = await world.ask(ListTransactions(correlation_id="q", user_id="1", limit=1), TransactionPage)
        assert len(page.items) == 1
        assert page.next_cursor is not None
        refused = await world.ask(ListTransactions(correlation_id="q", user_id="1", cursor="?"), Refused)
        assert refused.code == "invalid_cursor"

        ticket = OpenStream(correlation_id="q", user_id="1", ticket_id=new_id(), ticket_expires_at=utc_now() + timedelta(seconds=30))
        assert (await world.ask(ticket, StreamOpened)).granted
        assert not (await world.ask(ticket, StreamOpened)).granted

        health = await world.ask(GetWalletHealth(correlation_id="q"), HealthView)
        assert (health.service, health.ready, health.checks) == ("wallet", True, {"broker": "ok", "database": "ok", "commands": "ok"})

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/health/live")).status_code == 200
            assert (await http.get("/health/ready")).json()["status"] == "ready"
            assert 'purser_wallet_transfers_total{outcome="posted"}' in (await http.get("/metrics")).text
            document = (await http.get("/asyncapi.json")).json()
            assert document["asyncapi"] == "3.0.0"
            assert "wallet.queries" in str(document)


async def test_a_schema_that_is_behind_or_ahead_stops_the_start(world: RunningWorld) -> None:
    async with world.book.admin() as admin:
        await admin.execute("insert into wallet.schema_migrations (number, name, checksum) values (9999, 'later', '')")
        with pytest.raises(SystemExit, match="ahead"):
            async with world.wallet():
                pass
        await admin.execute("delete from wallet.schema_migrations where number > 3")
        with pytest.raises(SystemExit, match="behind"):
            async with world.wallet():
                pass

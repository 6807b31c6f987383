"""wallet.post_transfers: money moves once, in whole, in order, and what is written stays written."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from services.wallet import store
from services.wallet.domain import AccountKind, AccountName, InsufficientFunds, Outcome
from shared import postgres
from shared.contracts.base import new_id, utc_now
from shared.contracts.wallet_events import BalanceChanged
from shared.money import MAX_AMOUNT_MINOR, Money
from tests.integration.wallet_world import CLEARING, BookInMemory, a_transfer, assert_book_is, user, wallet_world


async def test_a_credit_moves_the_balance_writes_an_entry_and_tells_it(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        payment_id = new_id()
        assert await world.post(a_transfer(payment_id=payment_id, correlation_id="request-7")) == [Outcome.POSTED]

        assert await world.balance("1") == (2000, 1)
        (event,) = await world.rows("select message_type, payload, correlation_id, sent_at from wallet.outbox")
        assert (event["message_type"], event["correlation_id"], event["sent_at"]) == (BalanceChanged.TYPE, "request-7", None)
        told = BalanceChanged.model_validate_json(event["payload"])
        assert (told.user_id, told.currency, told.available_minor, told.held_minor, told.version) == ("1", "rsd", 2000, 0, 1)
        assert (told.change_minor, told.kind, told.payment_id, told.correlation_id) == (2000, "deposit", payment_id, "request-7")
        assert told.message_id.version == 7


async def test_the_event_survives_any_text_in_ids(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        odd = "u\"1'\\\n\t/ š%s{}"
        await world.post(a_transfer(target=user(odd), correlation_id='c"\\%I', payment_id=None))
        (event,) = await world.rows("select payload, lane, (hashtext(key) & 2147483647) % 8 as expected from wallet.outbox")
        told = BalanceChanged.model_validate_json(event["payload"])
        assert (told.user_id, told.correlation_id, told.payment_id) == (odd, 'c"\\%I', None)
        assert event["lane"] == event["expected"]


async def test_a_batch_counts_on_in_its_own_order(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        # References sort the other way round than the batch: the batch's order is the one that counts.
        batch = [a_transfer(reference=f"mock:{9 - n}", money=Money(10**n, "rsd")) for n in range(4)]
        await world.post(*batch)
        entries = await world.rows("select version, change_minor, available_after_minor from wallet.entries order by version")
        assert [tuple(entry.values()) for entry in entries] == [(1, 1, 1), (2, 10, 11), (3, 100, 111), (4, 1000, 1111)]
        events = await world.rows("select payload from wallet.outbox order by id")
        assert [BalanceChanged.model_validate_json(e["payload"]).version for e in events] == [1, 2, 3, 4]


async def test_a_hot_account_takes_five_hundred_credits_in_one_batch(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        assert set(await world.post(*(a_transfer() for _ in range(500)))) == {Outcome.POSTED}
        assert await world.balance("1") == (500 * 2000, 500)


async def test_getlago_3618_settled_twice_within_milliseconds_is_one_credit(fresh_database_url: str) -> None:
    """The same reference twice in one batch, and once more in the next."""
    async with wallet_world(fresh_database_url) as world:
        transfer = a_transfer()
        assert await world.post(transfer, a_transfer(target=user("2")), transfer) == [Outcome.POSTED, Outcome.POSTED, Outcome.DUPLICATE]
        assert await world.post(transfer) == [Outcome.DUPLICATE]
        assert await world.balance("1") == (2000, 1)
        assert await world.balance("2") == (2000, 1)


async def test_a_repeat_with_other_words_is_a_duplicate(fresh_database_url: str) -> None:
    """Webhook, reconciler and confirm tell the same charge in their own words."""
    async with wallet_world(fresh_database_url) as world:
        payment_id = new_id()
        await world.post(a_transfer(reference="mock:ch-1", payment_id=payment_id))
        again = a_transfer(reference="mock:ch-1", payment_id=payment_id, description="other", correlation_id="x", occurred_at=utc_now())
        assert await world.post(again) == [Outcome.DUPLICATE]


@pytest.mark.parametrize(
    "changes",
    [{"money": Money(2001, "rsd")}, {"money": Money(2000, "eur")}, {"target": user("2")}, {"payment_id": None}, {"kind": "adjustment"}],
    ids=["sum", "currency", "owner", "payment", "kind"],
)
async def test_the_same_reference_with_other_facts_is_a_conflict(fresh_database_url: str, changes: dict[str, object]) -> None:
    async with wallet_world(fresh_database_url) as world:
        first = a_transfer(reference="mock:ch-1")
        contrary = a_transfer(**({"reference": "mock:ch-1", "payment_id": first.payment_id} | changes))
        neighbour = a_transfer(target=user("3"))
        await world.post(first)

        assert await world.post(contrary, neighbour) == [Outcome.CONFLICT, Outcome.POSTED]

        assert await world.balance("1") == (2000, 1)
        assert await world.balance("2") == (0, 0)
        assert await world.balance("3") == (2000, 1)


async def test_a_conflict_within_one_batch_is_told_too(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        first = a_transfer(reference="mock:ch-1")
        contrary = a_transfer(reference="mock:ch-1", payment_id=first.payment_id, money=Money(1, "rsd"))
        assert await world.post(first, contrary) == [Outcome.POSTED, Outcome.CONFLICT]
        assert await world.balance("1") == (2000, 1)


async def test_a_transfer_between_users_is_two_entries(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        await world.post(a_transfer(), a_transfer(kind="transfer", source=user("1"), target=user("2"), money=Money(500, "rsd")))
        assert await world.balance("1") == (1500, 2)
        assert await world.balance("2") == (500, 1)


async def test_nobody_goes_below_zero_and_the_whole_batch_is_refused(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        await world.post(a_transfer())
        with pytest.raises(InsufficientFunds):
            await world.post(
                a_transfer(target=user("2")), a_transfer(kind="payment", source=user("1"), target=CLEARING, money=Money(2001, "rsd"))
            )
        assert await world.balance("1") == (2000, 1)
        assert await world.balance("2") == (0, 0)


async def test_a_dispute_may_take_what_is_gone_and_a_deposit_fills_up_again(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        dispute = a_transfer(kind="dispute", source=user("1"), target=CLEARING, money=Money(5000, "rsd"))
        await world.post(a_transfer(), dispute, a_transfer(money=Money(1000, "rsd")))
        assert await world.balance("1") == (-2000, 3)


async def test_accounts_of_the_platform_keep_no_balance(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        fees = AccountName(AccountKind.FEES, "platform")
        await world.post(a_transfer(), a_transfer(kind="fee", source=user("1"), target=fees, money=Money(100, "rsd")))
        rows = await world.rows("select kind, available_minor, version from wallet.accounts where kind <> 'user' order by kind")
        assert [tuple(row.values()) for row in rows] == [("clearing", None, None), ("fees", None, None)]
        assert len(await world.rows("select from wallet.entries")) == 2


async def test_time_never_goes_back_within_an_account(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        await world.post(a_transfer())
        ahead = utc_now() + timedelta(hours=1)
        async with world.admin() as admin:  # the server's clock was an hour ahead when it posted the first
            await admin.execute("update wallet.accounts set updated_at = $1 where kind = 'user'", ahead)
        await world.post(a_transfer())
        (entry,) = await world.rows("select created_at from wallet.entries where version = 2")
        assert entry["created_at"] == ahead


async def test_getlago_3895_a_saved_transfer_has_moved_its_balance(fresh_database_url: str) -> None:
    """Transfer, entry, balance and event are one commit: undone together, there together."""
    async with wallet_world(fresh_database_url) as world:
        transfer = a_transfer()
        async with postgres.connection(world.pool) as db:
            undone = db.transaction()
            await undone.start()
            assert await store.post_transfers(db, [transfer]) == [Outcome.POSTED]
            await undone.rollback()
        await assert_book_is(world, BookInMemory())
        assert await world.rows("select from wallet.outbox") == []

        book = BookInMemory()
        assert await world.post(transfer) == book.post([transfer])
        await assert_book_is(world, book)


async def test_a_batch_has_a_bound(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        assert await world.post() == []
        with pytest.raises(asyncpg.ProgramLimitExceededError):
            await world.post(*(a_transfer() for _ in range(1001)))


async def test_a_balance_that_would_not_fit_is_refused(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        async with world.admin() as admin:
            await world.post(a_transfer())
            await admin.execute("update wallet.accounts set available_minor = $1 where kind = 'user'", 2**63 - 1)
        with pytest.raises(asyncpg.NumericValueOutOfRangeError):
            await world.post(a_transfer(money=Money(MAX_AMOUNT_MINOR, "rsd")))


@pytest.mark.parametrize("table", ["transfers", "entries"])
@pytest.mark.parametrize("statement", ["update wallet.{} set kind = 'x'", "delete from wallet.{}", "truncate wallet.{} cascade"])
async def test_the_journal_is_append_only_by_grants_and_by_trigger(fresh_database_url: str, table: str, statement: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        await world.post(a_transfer())
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await world.rows(statement.format(table))
        async with world.admin() as admin:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await admin.execute(statement.format(table))
        assert await world.balance("1") == (2000, 1)


async def test_a_transfer_between_currencies_cannot_be_written(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        await world.post(a_transfer(), a_transfer(money=Money(1, "eur")))
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await world.rows(
                """
                insert into wallet.transfers
                select gen_random_uuid(), 'mock:x', 'deposit', source.account_id, target.account_id, 1, 'rsd', null, '', '', now(), now()
                from wallet.accounts as source, wallet.accounts as target
                where source.kind = 'clearing' and source.currency = 'rsd' and target.kind = 'user' and target.currency = 'eur'
                """
            )


async def test_roles_see_no_more_than_they_should(fresh_database_url: str) -> None:
    async with wallet_world(fresh_database_url) as world:
        verifier = await asyncpg.connect(world.verifier_url)
        try:
            assert await verifier.fetchval("select count(*) from wallet.transfers") == 0
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await verifier.execute("delete from wallet.outbox")
            await verifier.execute("set default_transaction_read_only = off")
            for refused in ("delete from wallet.outbox", "insert into wallet.accounts (kind, owner, currency) values ('fees', 'x', 'rsd')"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await verifier.execute(refused)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await verifier.fetchval(
                    "select wallet.post_transfers('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}')"
                )
        finally:
            await verifier.close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows("drop table wallet.stream_tickets")

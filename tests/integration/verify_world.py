"""Sound books of both services, for tests that break them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from services.wallet import store
from services.wallet.domain import Transfer
from services.wallet.handlers.credits import Credits
from shared.contracts.base import new_id, utc_now
from shared.contracts.wallet_commands import Account
from tests.integration.funds_world import (
    FEES,
    LOSS,
    PROVIDER,
    Command,
    a_move,
    a_release,
    a_reserve,
    a_settle,
    do,
    funds,
    leg,
    person,
    refused,
)
from tests.integration.wallet_world import WalletWorld, a_transfer, completed, prepare_schemas, user, wallet_world

FROM_BALANCE: Final = Account(kind="clearing", owner="balance")
REVENUE: Final = Account(kind="revenue", owner="platform")
SUSPENSE: Final = Account(kind="suspense", owner="mock")


@asynccontextmanager
async def sound_world(database_url: str) -> AsyncIterator[WalletWorld]:
    """A sound book: five payments of two users, credited and pushed."""
    await prepare_schemas(database_url, "payments", "wallet")
    async with wallet_world(database_url) as world:
        for n in range(5):
            await pay(world, a_transfer(target=user(str(n % 2))))
        await push(world)
        yield world


@asynccontextmanager
async def whole_world(database_url: str) -> AsyncIterator[WalletWorld]:
    """A sound book of everything that a payment can do: beside the deposits a session, an order and a payment from the balance, money that
    went back and out, money on its way, disputes, money that did not fit, and a transfer between users."""
    async with sound_world(database_url) as world:
        await refund(world, await pay_for_others(world))
        await withdraw(world)
        await dispute(world)
        await suspend(world)
        await give(world, "6", "7", 5)
        await push(world)
        yield world


async def pay(world: WalletWorld, transfer: Transfer, *, credited: bool = True) -> None:
    """A completed deposit and its credit."""
    await insert_payment(
        world,
        payment_id=transfer.payment_id,
        user_id=transfer.target.owner,
        amount_minor=transfer.money.amount_minor,
        currency=transfer.money.currency,
        credit_reference=transfer.reference,
    )
    if credited:
        async with world.admin() as admin:
            await store.post_transfers(admin, [transfer])


async def pay_for_others(world: WalletWorld) -> UUID:
    """User 0 pays mentor 7: once from the balance, once at the provider (that one's id). A guest pays an order."""
    session: dict[str, Any] = {"kind": "payment", "user_id": "0", "mentor_id": "7", "coaching_session_id": "1"}
    event = completed(user_id="7", payer_id="0", kind="payment", amount_minor=1000, fee_minor=33, credit_reference="mock:session")
    await insert_payment(
        world, payment_id=event.payment_id, amount_minor=1000, fee_minor=33, credit_reference=event.credit_reference, **session
    )
    order = completed(user_id=None, kind="order", amount_minor=700, credit_reference="mock:order")
    order_id = new_id()
    await insert_payment(
        world, payment_id=order.payment_id, user_id=None, kind="order", order_id=order_id, amount_minor=700, credit_reference="mock:order"
    )
    await insert(
        world, "orders", order_id=order_id, product="chakras", caller="guest:1", contact=b"sealed", points=b"sealed", locale="en",
        title="A reading", amount_minor=700, currency="rsd", fulfilment="none", paid_payment_id=order.payment_id,
        correlation_id="request-1",
    )  # fmt: skip
    assert await Credits(world.pool, lambda _: None).handle([event, order]) == []

    payment_id = new_id()
    reference = f"balance:{payment_id}"
    await insert_payment(
        world, payment_id=payment_id, provider="balance", amount_minor=500, fee_minor=50, credit_reference=reference, **session
    )
    legs = leg(person("0"), FROM_BALANCE, 500), leg(FROM_BALANCE, person("7"), 450), leg(FROM_BALANCE, FEES, 50, kind="fee")
    await command(world, a_move(*legs, reference=reference, kind="payment", payment_id=payment_id))
    return event.payment_id


async def refund(world: WalletWorld, payment_id: UUID) -> None:
    """Of what mentor 7 was paid one refund went back, one came back from there, one is at the provider."""
    about: dict[str, Any] = {"payment_id": payment_id, "provider": "mock", "currency": "rsd", "owner_id": "7", "origin": "request"}
    of_hold: dict[str, Any] = {"kind": "refund", "user_id": "7", "payment_id": payment_id}

    gone = new_id()
    state: dict[str, Any] = {"state": "succeeded", "settled_at": utc_now(), "forced": True}
    amounts = {"amount_minor": 100, "fee_minor": 4, "wanted_minor": 96, "held_minor": 90, "loss_minor": 6}
    await insert(world, "refunds", refund_id=gone, correlation_id="request-1", **about, **state, **amounts)
    await command(world, a_reserve(90, reference=f"refund:{gone}", **of_hold))
    await command(world, a_settle(f"refund:{gone}", leg(FEES, PROVIDER, 4, kind="fee"), leg(LOSS, PROVIDER, 6)))

    returned = new_id()
    state = {"state": "failed", "settled_at": utc_now()}
    amounts = {"amount_minor": 100, "fee_minor": 3, "wanted_minor": 97, "held_minor": 97, "loss_minor": 0}
    await insert(world, "refunds", refund_id=returned, correlation_id="request-1", **about, **state, **amounts)
    await command(world, a_reserve(97, reference=f"refund:{returned}", **of_hold))
    await command(world, a_settle(f"refund:{returned}", leg(FEES, PROVIDER, 3, kind="fee")))
    back = leg(PROVIDER, person("7"), 97), leg(PROVIDER, FEES, 3, kind="fee")
    await command(world, a_move(*back, reference=f"refund:{returned}:reversal", kind="refund", payment_id=payment_id))

    pending = new_id()
    state = {"state": "pending", "next_at": utc_now(), "sent_at": utc_now()}
    amounts = {"amount_minor": 50, "fee_minor": 0, "wanted_minor": 50, "held_minor": 50, "loss_minor": 0}
    await insert(world, "refunds", refund_id=pending, correlation_id="request-1", **about, **state, **amounts)
    await command(world, a_reserve(50, reference=f"refund:{pending}", **of_hold))
    async with world.admin() as admin:
        await admin.execute("update payments.payments set refunded_minor = 100, refunding_minor = 50 where payment_id = $1", payment_id)


async def withdraw(world: WalletWorld) -> None:
    """User 1 had one paid, one returned by the bank, and one canceled; one waits for a decision."""
    for status, step in (("paid", "done"), ("returned", "done"), ("canceled", "done"), ("pending", "waiting")):
        withdrawal_id = await insert_withdrawal(world, status=status, step=step)
        reference = f"withdrawal:{withdrawal_id}"
        await command(world, a_reserve(100, reference=reference))
        if status == "canceled":
            await command(world, a_release(reference))
        if status in ("paid", "returned"):
            await command(world, a_settle(reference))
        if status == "returned":
            await command(world, a_move(leg(PROVIDER, person("1"), 100), reference=f"{reference}:returned", kind="withdrawal"))


async def dispute(world: WalletWorld) -> None:
    """Two deposits of user 5 are disputed: one dispute was won; one is open, and its money was given away before."""
    for state, outcome in (("won", "won"), ("open", None)):
        credit = a_transfer(target=user("5"))
        await pay(world, credit)
        if state == "open":
            await give(world, "5", "7", 2500)
        dispute_id = new_id()
        await insert(
            world, "disputes", dispute_id=dispute_id, payment_id=credit.payment_id, provider="mock", dispute_reference=str(dispute_id),
            amount_minor=2100, currency="rsd", owner_id="5", owner_minor=2000, fee_minor=0, loss_minor=100, state=state, outcome=outcome,
            correlation_id="request-1",
        )  # fmt: skip
        of_dispute: dict[str, Any] = {"kind": "dispute", "payment_id": credit.payment_id}
        legs = leg(person("5"), PROVIDER, 2000), leg(LOSS, PROVIDER, 100)
        await command(world, a_move(*legs, reference=f"dispute:{dispute_id}:opened", **of_dispute))
        if state == "won":
            back = leg(PROVIDER, person("5"), 2000), leg(PROVIDER, LOSS, 100)
            await command(world, a_move(*back, reference=f"dispute:{dispute_id}:won", **of_dispute))


async def suspend(world: WalletWorld) -> None:
    """One item is open, one was assigned to user 6, one paid a deposit of user 6, one was written off."""
    for decision, step, status, target, amount_minor in (
        (None, None, "open", None, 70),
        ("assign_user", "assigned", "assigned", person("6"), 80),
        ("assign_payment", "assigned", "assigned", person("6"), 90),
        ("write_off", "written-off", "written_off", REVENUE, 60),
    ):
        item_id, payment_id = new_id(), new_id() if decision == "assign_payment" else None
        reference = f"suspense:{item_id}"
        decided: dict[str, Any] = {}
        if decision is not None:
            decided = {
                "decision": decision,
                "decision_id": new_id(),
                "decided_by": "user:9",
                "decided_at": utc_now(),
                "settled_at": utc_now(),
            }
        if payment_id is not None:
            booked = {"charge_reference": "late", "credit_reference": f"{reference}:assigned"}
            await insert_payment(world, payment_id=payment_id, user_id="6", amount_minor=amount_minor, **booked)
        await insert(
            world, "suspense_items", item_id=item_id, provider="mock", charge_reference=str(item_id), part="all", session_id=new_id(),
            amount_minor=amount_minor, currency="rsd", reason="unknown_reference", status=status, received_at=utc_now(),
            assigned_user_id="6" if decision == "assign_user" else None, assigned_payment_id=payment_id, correlation_id="request-1",
            **decided,
        )  # fmt: skip
        await command(world, a_move(leg(PROVIDER, SUSPENSE, amount_minor), reference=f"{reference}:received", kind="adjustment"))
        if target is not None:
            facts: dict[str, Any] = {"kind": "deposit" if payment_id else "adjustment", "payment_id": payment_id}
            await command(world, a_move(leg(SUSPENSE, target, amount_minor), reference=f"{reference}:{step}", **facts))


async def give(world: WalletWorld, giver: str, taker: str, amount_minor: int) -> None:
    """A transfer between two users."""
    transfer_id = new_id()
    await insert(
        world, "transfers", transfer_id=transfer_id, from_user_id=giver, to_user_id=taker, amount_minor=amount_minor, currency="rsd",
        status="completed", requested_by="user:9", caller="user:9", correlation_id="request-1", created_at=utc_now(), updated_at=utc_now(),
    )  # fmt: skip
    await command(world, a_move(leg(person(giver), person(taker), amount_minor), reference=f"transfer:{transfer_id}"))


async def insert_payment(world: WalletWorld, **columns: Any) -> None:
    """A completed deposit of the mock, unless `columns` say otherwise."""
    usual = {"kind": "deposit", "provider": "mock", "currency": "rsd", "status": "completed", "locale": "en", "completed_at": utc_now()}
    reference = columns["credit_reference"]
    await insert(world, "payments", correlation_id="request-1", **(usual | {"charge_reference": reference} | columns))


async def insert_withdrawal(world: WalletWorld, **columns: Any) -> UUID:
    """100 of user 1's, to a bank account, approved by an admin where that is needed."""
    withdrawal_id = new_id()
    usual: dict[str, Any] = {
        "withdrawal_id": withdrawal_id,
        "user_id": "1",
        "amount_minor": 100,
        "currency": "rsd",
        "destination": b"sealed",
        "destination_type": "bank_account",
        "account_masked": "****1",
        "name_masked": "A***",
        "payout_method": "mock",
        "caller": "user:1",
        "correlation_id": "request-1",
        "created_at": utc_now(),
        "updated_at": utc_now(),
    }
    if columns["status"] in ("paid", "returned", "sending"):
        usual |= {"decision": "approve", "decided_by": "user:9", "decided_at": utc_now()}
    await insert(world, "withdrawals", **(usual | columns))
    return withdrawal_id


async def insert(world: WalletWorld, table: str, **columns: Any) -> None:
    """A row of payments' own."""
    names, values = ", ".join(columns), ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    async with world.admin() as admin:
        await admin.execute(f"insert into payments.{table} ({names}) values ({values})", *columns.values())  # noqa: S608 - the tests' own


async def command(world: WalletWorld, given: Command) -> None:
    answer = await do(funds(world), given)
    assert refused(answer) is None, answer


async def push(world: WalletWorld) -> None:
    """What the relay would have done."""
    await break_it(world, "update wallet.outbox set sent_at = clock_timestamp() where sent_at is null")


async def break_it(world: WalletWorld, *statements: str) -> None:
    """As an administrator could: triggers and foreign keys do not fire."""
    async with world.admin() as admin:
        await admin.execute("set session_replication_role = replica")
        for statement in statements:
            await admin.execute(statement)

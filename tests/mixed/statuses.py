"""What every payment and order is told to be, against what its history demands: the provider's book, and what its payer was answered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Final

from tests.mixed.books import Book, OurBook, Row
from tests.mixed.world import Record, World

_AT_ONCE: Final = 8


async def differences(world: World, book: Book, ours: OurBook) -> list[str]:
    """Asks for each payment as somebody who may see it, and for each order by its id."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def payment(record: Record) -> str | None:
        async with gate:
            caller = world.users[record.story.payer] if record.story.kind != "order" else world.admin
            told = await caller.get(f"/payments/{record.payment_id}")
        row = ours.payments.get(record.payment_id)
        if told.status != 200 or row is None:
            return f"payment {record.payment_id}: {told}"
        demanded, back_minor = _demanded(record, row, book, ours), _refunded(book, row)
        if told.body["status"] in demanded and told.body["refunded_amount_minor"] == back_minor:
            return None
        return (
            f"payment {record.payment_id} at {record.provider}, {record.story.behaviour}, then {record.story.sequel}: "
            f"told {told.body['status']} with {told.body['refunded_amount_minor']} back; "
            f"demanded {' or '.join(sorted(demanded))} with {back_minor} back; "
            f"{[(deed, str(at)) for deed, at in record.deeds]}, ends {record.expires_at}"
        )

    async def order(order_id: str, payments: list[Row]) -> str | None:
        async with gate:
            told = await world.callers.guest().get(f"/orders/{order_id}")
        demanded = _order_demanded(payments, book)
        if told.status == 200 and told.body["status"] in demanded:
            return None
        return f"order {order_id}: told {told.status} {told.body.get('status')}; demanded {' or '.join(sorted(demanded))}"

    of_orders: defaultdict[str, list[Row]] = defaultdict(list)
    for row in ours.payments.values():
        if row["order_id"] is not None and not row["refused"]:
            of_orders[str(row["order_id"])].append(row)
    asked: list[Any] = [payment(record) for record in world.records if record.payment_id]
    asked += [order(order_id, payments) for order_id, payments in of_orders.items()]
    return [one for one in await asyncio.gather(*asked) if one is not None]


async def still_payable(world: World, ours: OurBook) -> list[str]:
    """Stripe's sessions can be ended: what is over here must be over there, or somebody pays what nobody waits for."""
    secret = world.stack.stand_ins.settings["STRIPE_SECRET_KEY"]
    found = []
    for row in ours.payments.values():
        if row["provider"] != "stripe" or row["status"] in ("pending", "completed") or row["provider_reference"] is None:
            continue
        path = f"/v1/payment_intents/{row['provider_reference']}"
        told = (await world.providers["stripe"].http.get(path, headers={"Authorization": f"Bearer {secret}"})).json()
        # What was paid besides is in suspense, which is looked at elsewhere.
        if told["status"] not in ("canceled", "succeeded"):
            found.append(f"payment {row['payment_id']} is {row['status']} here, and {told['status']} at stripe")
    return found


def _demanded(record: Record, row: Row, book: Book, ours: OurBook) -> set[str]:
    charges = [one for one in book.charges if one.provider == row["provider"] and one.session == row["session"]]
    apart = {(item["provider"], item["charge_reference"]) for item in ours.items if item["part"] == "all"}
    if any((one.provider, one.reference) not in apart for one in charges):
        return {_paid(book, row)}
    return _unpaid(record)


def _paid(book: Book, row: Row) -> str:
    """What became of the money."""
    key = (row["provider"], row["charge_reference"])
    if any(one.holds for one in book.disputes if (one.provider, one.charge) == key):
        return "disputed"
    back_minor = _refunded(book, row)
    if back_minor:
        return "refunded" if back_minor == row["amount_minor"] else "partially_refunded"
    return "completed"


def _refunded(book: Book, row: Row) -> int:
    if row["charge_reference"] is None:
        return 0
    key = (row["provider"], row["charge_reference"])
    return sum(one.money.amount_minor for one in book.refunds if (one.provider, one.charge) == key and one.status == "succeeded")


def _unpaid(record: Record) -> set[str]:
    """Nobody has taken money for it. Who ended it first is decided where it was written down first; what happened clearly before its end
    has to be told, what was done around it may have come too late."""
    if record.canceled:
        return {"canceled"}
    if record.refused == "given_up":
        return {"failed", "expired", "canceled"} if record.order_id else {"failed", "expired"}
    demanded = set()
    if record.may_be_canceled or record.replaced:
        demanded |= {"canceled", "expired"}
    if record.provider == "allsecure" and (declined := record.when("declined")) is not None:
        # One attempt is all there is; asked about whenever, that is what AllSecure says.
        assert record.expires_at is not None
        return demanded | {"failed"} | ({"expired"} if declined >= record.expires_at else set())
    if record.provider != "stripe" and record.when("went_back") is not None:
        # Word of it has no time of its own: heard of after the end, the session has expired.
        return demanded | {"canceled", "expired"}
    return demanded or {"expired"}


def _order_demanded(payments: list[Row], book: Book) -> set[str]:
    paid = [row for row in payments if row["status"] == "completed"]
    if len(paid) > 1:
        return {"paid once"}
    if paid:
        became = _paid(book, paid[0])
        return {"fulfilled"} if became == "completed" else {became}
    # A declined or canceled attempt is not the order's end: it waits for another.
    return {"pending", "expired"}

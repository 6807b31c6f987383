"""What people do at the run's end: banks decide what is pending, operators look after withdrawals, suspense and lost notifications."""

from __future__ import annotations

from typing import Any, Final

from tests.mixed import books, disturbing
from tests.mixed.world import World

_PAGE: Final = 100


async def settle_what_is_pending(world: World) -> None:
    """At the providers; and withdrawals that wait for somebody's word get it."""
    for payout in (await world.providers["allsecure"].book("payouts")) + (await world.providers["allsecure"].book("refunds")):
        if payout["status"] == "PENDING":
            outcome = "success" if payout["amount_minor"] % 3 else "declined"
            await world.try_control("allsecure", "settle", reference=payout["reference"], outcome=outcome)
    for refund in await world.providers["stripe"].book("refunds"):
        if refund["status"] == "pending":
            await world.try_control("stripe", "settle_refund", refund=refund["refund"])
    for record in world.records:
        if record.when("left_to_bank") is not None:
            action = {"reference": record.reference} | ({"succeeds": True} if record.provider == "stripe" else {"outcome": "success"})
            if await world.try_control(record.provider, "settle", **action) is not None:
                record.did("paid")
    for waiting in await _listed(world, "/withdrawals?status=pending"):
        answer = await world.other_admin.post(f"/withdrawals/{waiting['withdrawal_id']}/approve")
        assert answer.status in (200, 409), answer


async def mark_some_as_paid(world: World) -> None:
    """Every other order at Prodamus whose notification never came: the operator has found the payment in the cabinet."""
    lost = {key.partition(":")[0] for key in await disturbing.dropped(world.providers["prodamus"])}
    ours = await books.ours(world)
    paid = {row["order_id"] for row in ours.payments.values() if row["status"] == "completed"}
    by_session = {row["session"]: row for row in ours.payments.values() if row["order_id"] is not None and row["order_id"] not in paid}
    for charge in await world.providers["prodamus"].book():
        row = by_session.get(charge["reference"])
        if row is None or charge["charge"] not in lost or int(charge["charge"]) % 2:
            continue
        said = {"reference": charge["charge"], "reason": "seen in the cabinet"}
        answer = await world.admin.post(f"/orders/{row['order_id']}/mark-paid", said)
        assert answer.status in (200, 409), answer
        world.notes.append("an operator has marked an order at prodamus as paid")


async def decide_suspense(world: World) -> None:
    """Two of three items: sent back where the provider can, given to a user or written off elsewhere; the third stays open."""
    for number, item in enumerate(await _listed(world, "/suspense?status=open")):
        path = f"/suspense/{item['id']}"
        if number % 3 == 2:
            continue
        if item["provider"] != "prodamus" and number % 3 == 0:
            answer = await world.admin.post(f"{path}/refund", {"reason": "nobody's"}, bears_seconds=12)
        elif number % 2:
            answer = await world.admin.post(f"{path}/assign", {"user_id": world.users[number % len(world.users)].user_id})
        else:
            answer = await world.admin.post(f"{path}/write-off", {"reference": f"run-{number}", "reason": "nobody asks for it"})
        assert answer.status in (200, 201, 202, 409), answer
        world.notes.append(f"a suspense item ({item['reason']}) was decided")


async def _listed(world: World, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await world.admin.get(f"{path}&limit={_PAGE}{cursor}")).body
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"

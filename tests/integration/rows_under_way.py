"""Rows of refunds, withdrawals and suspense at any of their steps, as some handler could have left them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.contracts.base import new_id
from tests.integration.history_world import NOON, HistoryWorld

_DESTINATION = {"destination": b"sealed", "destination_type": "bank_account", "account_masked": "****1", "name_masked": "J***"}


async def refund(world: HistoryWorld, payment_id: UUID, **facts: Any) -> UUID:
    usual: dict[str, Any] = {
        "refund_id": new_id(),
        "payment_id": payment_id,
        "provider": "mock",
        "amount_minor": 100,
        "wanted_minor": 100,
        "currency": "rsd",
        "state": "reserving",
        "origin": "request",
        "correlation_id": "request-1",
        "created_at": NOON,
        "next_at": NOON,
    }
    row = usual | facts
    await world.write("refunds", **row)
    made: UUID = row["refund_id"]
    return made


async def withdrawal(world: HistoryWorld, **facts: Any) -> UUID:
    usual: dict[str, Any] = {
        **_DESTINATION,
        "withdrawal_id": new_id(),
        "user_id": "1",
        "amount_minor": 1000,
        "currency": "rsd",
        "payout_method": "mock",
        "status": "pending",
        "step": "waiting",
        "caller": "user:1",
        "correlation_id": "request-1",
        "created_at": NOON,
        "updated_at": NOON,
    }
    row = usual | facts
    if row["status"] not in ("pending",) and "decision" not in row:
        row |= {"decision": "approve", "decided_by": "user:9", "decided_at": NOON}
    await world.write("withdrawals", **row)
    made: UUID = row["withdrawal_id"]
    return made


async def suspended(world: HistoryWorld, **facts: Any) -> UUID:
    usual: dict[str, Any] = {
        "item_id": new_id(),
        "provider": "stripe",
        "charge_reference": f"ch_{new_id()}",
        "part": "all",
        "session_id": new_id(),
        "amount_minor": 700,
        "currency": "rsd",
        "reason": "unknown_reference",
        "received_at": NOON,
        "correlation_id": "request-1",
        "created_at": NOON,
    }
    row = usual | facts
    await world.write("suspense_items", **row)
    made: UUID = row["item_id"]
    return made

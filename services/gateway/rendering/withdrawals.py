"""Withdrawals as bytes; the order is frozen, since a kept answer is printed from it again."""

from __future__ import annotations

import orjson

from services.gateway.problems import refused_object
from services.gateway.rendering import Members, money, rfc3339, time
from shared.contracts.withdrawals import WithdrawalPage, WithdrawalView


def withdrawal(view: WithdrawalView) -> bytes:
    """withdrawal-view.v1; another version gets a function of its own beside this one, which stays as it is."""
    return orjson.dumps(_members(view))


def withdrawals(page: WithdrawalPage) -> bytes:
    return orjson.dumps({"items": [_members(item) for item in page.items], "next_cursor": page.next_cursor})


def _members(view: WithdrawalView) -> Members:
    members: Members = {
        "withdrawal_id": str(view.withdrawal_id),
        "status": view.status,
        **money("amount", view.amount_minor, view.currency),
        "currency": view.currency,
        "user_id": view.user_id,
        "method": view.method,
        "destination": {"type": view.destination.type, "account": view.destination.account, "name": view.destination.name},
        "reference": view.reference,
        "reason": view.reason,
        "external_id": view.external_id,
        "metadata": dict(view.metadata),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }
    if view.for_admin:
        decided = view.decided
        members["decision"] = None if decided is None else decided.decision
        members["decided_by"] = None if decided is None else decided.by
        members["decided_at"] = None if decided is None else time(decided.at)
        members["decision_reason"] = None if decided is None else decided.reason
    if view.problem is not None:
        members["problem"] = refused_object(view.problem)
    return members

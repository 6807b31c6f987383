"""Answers as bytes, in an order that is frozen: a replay must be the same byte for byte, also after an upgrade. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from services.gateway.problems import refused_object
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.queries import BalanceView, PaymentView, TransactionPage, TransactionView
from shared.money import major_text

Members = dict[str, Any]


def deposit_created(answer: DepositCreated) -> bytes:
    """deposit-created.v1; another version gets a function of its own beside this one, which stays as it is."""
    return orjson.dumps(
        {
            "payment_id": str(answer.payment_id),
            "session_id": str(answer.session_id),
            "payment_url": answer.payment_url,
            **({} if answer.client_secret is None else {"client_secret": answer.client_secret}),
            "status": answer.status,
            **money("amount", answer.amount_minor, answer.currency),
            "currency": answer.currency,
            "method": answer.method,
            "expires_at": rfc3339(answer.expires_at),
        }
    )


def mock_completed(payment_id: UUID, session_id: UUID, status: str) -> bytes:
    """The final answer of a completion."""
    return orjson.dumps({"payment_id": str(payment_id), "session_id": str(session_id), "status": status})


def accepted(**ids: str) -> bytes:
    """202, and what its Location says until the request has been worked on: the resource's id and that it is on its way."""
    return orjson.dumps({**ids, "status": "accepted"})


def failed(resource_id: str, problem: Refused, *, name: str = "payment_id") -> bytes:
    """The end of a request that a 202 had accepted: refused later, or never received."""
    return orjson.dumps({name: resource_id, "status": "failed", "problem": refused_object(problem)})


def payment(view: PaymentView, status: str) -> bytes:
    """A payment with the status that is true for whoever asks: see settlement.py."""
    payment_id = str(view.payment_id)
    members: Members = {
        "payment_id": payment_id,
        "id": payment_id,
        "kind": view.kind,
        "student_id": view.user_id,
        "mentor_id": view.mentor_id,
        "session_id": view.coaching_session_id or (None if view.session_id is None else str(view.session_id)),
        **money("amount", view.amount_minor, view.currency),
        "currency": view.currency,
        "status": status,
        "payment_method": view.method,
        "transaction_id": view.credit_reference,
        "description": view.description,
        "payment_url": view.payment_url,
        **money("refunded_amount", view.refunded_amount_minor, view.currency),
        "dispute_status": view.dispute_status,
        "expires_at": time(view.expires_at),
        "metadata": dict(view.metadata),
        "external_id": view.external_id,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }
    if view.problem is not None:
        members["problem"] = refused_object(view.problem)
    return orjson.dumps(members)


def balance(view: BalanceView) -> bytes:
    return orjson.dumps(_balance(view))


def balances(views: Iterable[BalanceView]) -> bytes:
    return orjson.dumps({"balances": [_balance(view) for view in sorted(views, key=lambda view: view.currency)]})


def transactions(page: TransactionPage) -> bytes:
    return orjson.dumps({"items": [_transaction(item) for item in page.items], "next_cursor": page.next_cursor})


def rfc3339(moment: datetime) -> str:
    """UTC with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _balance(view: BalanceView) -> Members:
    return {
        "user_id": view.user_id,
        "currency": view.currency,
        **money("available", view.available_minor, view.currency),
        **money("held", view.held_minor, view.currency),
        "version": view.version,
        "updated_at": time(view.updated_at),
    }


def _transaction(item: TransactionView) -> Members:
    return {
        "id": str(item.id),
        "kind": item.kind,
        **money("amount", item.amount_minor, item.currency),
        "currency": item.currency,
        **money("balance_after", item.balance_after_minor, item.currency),
        "version": item.version,
        "payment_id": None if item.payment_id is None else str(item.payment_id),
        "description": item.description,
        "created_at": rfc3339(item.created_at),
    }


def money(name: str, amount_minor: int, currency: str) -> Members:
    # The exact digits as a JSON number: a float would not hold them all.
    return {name: orjson.Fragment(major_text(amount_minor, currency)), f"{name}_minor": amount_minor}


def time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)

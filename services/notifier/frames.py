"""The text of each frame (JSON, UTF-8): pure, and made once for all the sockets that get it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import orjson

from shared.contracts.payment_events import PaymentUpdated, WithdrawalUpdated
from shared.contracts.wallet_events import BalanceChanged
from shared.money import major_text

# Microseconds and offsets differ between senders; a client sees one form: RFC 3339 with Z.
_OPTIONS: Final = orjson.OPT_UTC_Z


@dataclass(frozen=True, slots=True)
class Balance:
    """A user's balance in one currency (ISO 4217, lower case) as of `version`; amounts in minor units."""

    currency: str
    available_minor: int
    held_minor: int
    version: int


def snapshot_text(balances: Iterable[Balance]) -> bytes:
    """`balance.snapshot`: everything that a client has to know, in order of currency."""
    items = [_amounts(b.currency, b.available_minor, b.held_minor, b.version) for b in sorted(balances, key=lambda b: b.currency)]
    return orjson.dumps({"type": "balance.snapshot", "balances": items}, option=_OPTIONS)


def updated_text(changes: Sequence[BalanceChanged], *, truncated: bool) -> bytes:
    """`balance.updated` for `changes` of one account, oldest first, at least one; the fields beside `changes` are the newest one's.
    `truncated`: there were more since the last frame than `changes` can list."""
    newest = changes[-1]
    frame: dict[str, Any] = {
        "type": "balance.updated",
        **_amounts(newest.currency, newest.available_minor, newest.held_minor, newest.version),
        "change": _major(newest.change_minor, newest.currency),
        "change_minor": newest.change_minor,
        "kind": newest.kind,
        "payment_id": newest.payment_id,
        # Pydantic's own time zone class is not one that orjson knows.
        "occurred_at": newest.occurred_at.astimezone(UTC),
        "changes": [{"version": c.version, "change_minor": c.change_minor, "kind": c.kind, "payment_id": c.payment_id} for c in changes],
    }
    if truncated:
        frame["changes_truncated"] = True
    return orjson.dumps(frame, option=_OPTIONS)


def payment_text(payment: PaymentUpdated) -> bytes:
    """`payment.updated`: a payment's state; the same for payer and mentor."""
    frame = {
        "type": "payment.updated",
        "payment_id": payment.payment_id,
        "status": payment.status,
        "kind": payment.kind,
        "method": payment.method,
        "amount": _major(payment.amount_minor, payment.currency),
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "refunded_amount": _major(payment.refunded_amount_minor, payment.currency),
        "refunded_amount_minor": payment.refunded_amount_minor,
        "updated_at": payment.updated_at.astimezone(UTC),
    }
    return orjson.dumps(frame, option=_OPTIONS)


def withdrawal_text(withdrawal: WithdrawalUpdated) -> bytes:
    """`withdrawal.updated`: a withdrawal's state; `reason` is null unless it was rejected, failed or came back."""
    frame = {
        "type": "withdrawal.updated",
        "withdrawal_id": withdrawal.withdrawal_id,
        "status": withdrawal.status,
        "amount": _major(withdrawal.amount_minor, withdrawal.currency),
        "amount_minor": withdrawal.amount_minor,
        "currency": withdrawal.currency,
        "reason": withdrawal.reason,
        "updated_at": withdrawal.updated_at.astimezone(UTC),
    }
    return orjson.dumps(frame, option=_OPTIONS)


def with_updates_truncated(text: bytes) -> bytes:
    """The same frame, saying also that there were others before it which this socket was not told."""
    # The text is shared by all sockets that get it, and only this one missed something.
    return text[:-1] + b',"updates_truncated":true}'


def _amounts(currency: str, available_minor: int, held_minor: int, version: int) -> dict[str, Any]:
    return {
        "currency": currency,
        "available": _major(available_minor, currency),
        "available_minor": available_minor,
        "held": _major(held_minor, currency),
        "held_minor": held_minor,
        "version": version,
    }


def _major(amount_minor: int, currency: str) -> orjson.Fragment:
    """Major units as a JSON number with all of the currency's decimals (2000.00): the exact text, which no float has touched."""
    return orjson.Fragment(major_text(amount_minor, currency))

"""What AllSecure's callbacks say; pure. The gateway has verified the signature, the content is distrusted all the same.

A callback has no time of its own (only chargebacks do): the date it was signed with stands for it. Whether a repeat is dated anew nobody
says, and repeats go on for a week. Therefore the success of a refund is dated back by more than that: a failure, which can come after it,
is the last word on it, in whichever order the two arrive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from uuid import UUID

import structlog
from pydantic import Field

from services.payments.domain.facts import Closed, Declined, DisputeTold, Fact, Irrelevant, Look, Paid, PayoutTold, RefundTold
from services.payments.providers.allsecure.amounts import read_amount
from services.payments.providers.allsecure.messages import CANCELED_BY_PAYER, EXPIRED, Problem, Said, Unreadable, Uuid, read
from services.payments.providers.base import ProviderEvent
from shared.contracts.base import utc_now
from shared.delivery.errors import Permanent
from shared.money import Money, MoneyError

log = structlog.get_logger(__name__)

REPEATED_FOR: Final = timedelta(days=8)
"""The retry table ends after 1 min, 5 min, 15 min, 1 h, 2 h, 3 h, 12 h and seven days."""

_CHARGEBACKS: Final = frozenset({"CHARGEBACK", "DISPUTE"})
_REVERSALS: Final = frozenset({"CHARGEBACK-REVERSAL", "DISPUTE-REVERSAL"})
_OUR_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?: ?(?:UTC|GMT|Z)|([+-]\d{2}:\d{2}))?", re.ASCII)


class _Chargeback(Said):
    """`chargeback_uuid`, `reversal_date_time`: of a reversal."""

    original_uuid: Uuid | None = None
    original_merchant_transaction_id: str | None = None
    amount: str | None = None
    currency: str | None = None
    reason: str | None = None
    chargeback_uuid: Uuid | None = None
    chargeback_date_time: str | None = None
    reversal_date_time: str | None = None


class _Callback(Problem):
    """`reference_uuid`, `original_uuid`: which debit a refund is of. No document shows a callback of a refund that was made at AllSecure's
    own site; both names occur elsewhere with this meaning."""

    result: str = Field(max_length=40)
    uuid: Uuid
    transaction_type: str = Field(max_length=40)
    merchant_transaction_id: str | None = None
    amount: str | None = None
    currency: str | None = None
    reference_uuid: Uuid | None = None
    original_uuid: Uuid | None = None
    chargeback_data: _Chargeback | None = None
    chargeback_reversal_data: _Chargeback | None = None

    @property
    def our_id(self) -> UUID | None:
        return _our_id(self.merchant_transaction_id)

    @property
    def money(self) -> Money:
        return _money(self.amount, self.currency)


def read_event(headers: Mapping[str, str], body: bytes) -> ProviderEvent:
    """Permanent: no callback, or a sum that cannot be said exactly."""
    try:
        told = read(_Callback, body)
        return ProviderEvent(f"{told.uuid}:{told.transaction_type}:{told.result}", _fact(told, _signed_at(headers)))
    except Unreadable as error:
        raise Permanent(f"not a callback of AllSecure: {error}") from error
    except MoneyError as error:
        raise Permanent(f"AllSecure tells of a sum that is none: {error}") from error


def _fact(told: _Callback, at: datetime) -> Fact:
    match told.transaction_type, told.result:
        case "DEBIT", "OK" | "ERROR" | "PENDING":
            return _of_debit(told, at)
        case "REFUND", "OK" | "ERROR" | "PENDING":
            return _of_refund(told, at)
        case "PAYOUT", "OK" | "ERROR":
            return _of_payout(told, at)
        case kind, "OK" if kind in _CHARGEBACKS:
            return _of_chargeback(told, told.chargeback_data or _Chargeback(), at)
        case kind, "OK" if kind in _REVERSALS:
            return _of_reversal(told, told.chargeback_reversal_data or _Chargeback(), at)
        case kind, result:
            return Irrelevant(f"type {kind}, {result}")


def _of_debit(told: _Callback, at: datetime) -> Fact:
    session_id = told.our_id
    if session_id is None:
        return Irrelevant("a debit without a reference of ours")
    if told.result == "OK":
        return Paid(session_id, told.uuid, told.money, at)
    if told.result == "PENDING":
        # Perhaps for longer than the session lasts: it must not be told as over meanwhile.
        return Look(session_id)
    # As when the status API is asked: CANCELLED there is an error with one of these codes here.
    return Closed(session_id, at) if told.number in (CANCELED_BY_PAYER, EXPIRED) else Declined(session_id, at)


def _of_refund(told: _Callback, at: datetime) -> Fact:
    refund_id = told.our_id
    charge = told.reference_uuid or told.original_uuid
    if refund_id is None and charge is None:
        # Money has left that nobody can place; most likely another shop's, who shares the connector.
        log.warning("AllSecure tells of a refund and not of what", uuid=told.uuid)
        return Irrelevant("a refund of an unknown charge")
    outcomes: dict[str, Literal["pending", "succeeded", "failed"]] = {"OK": "succeeded", "ERROR": "failed", "PENDING": "pending"}
    outcome = outcomes[told.result]
    if outcome != "failed":
        at -= REPEATED_FOR
    reason = told.shown if outcome == "failed" else ""
    return RefundTold(None, refund_id, told.uuid, told.money, outcome, at, reason, charge)


def _of_payout(told: _Callback, at: datetime) -> Fact:
    withdrawal_id = told.our_id
    if withdrawal_id is None:
        return Irrelevant("a payout without a reference of ours")
    if told.result == "OK":
        return PayoutTold(withdrawal_id, told.uuid, "paid", at)
    return PayoutTold(withdrawal_id, told.uuid, "failed", at, told.shown)


def _of_chargeback(told: _Callback, data: _Chargeback, at: datetime) -> Fact:
    return _dispute(told, data, told.uuid, "opened", _moment(data.chargeback_date_time) or at)


def _of_reversal(told: _Callback, data: _Chargeback, at: datetime) -> Fact:
    if data.chargeback_uuid is None:
        raise Permanent("AllSecure takes back a chargeback and does not say which")
    return _dispute(told, data, data.chargeback_uuid, "won", _moment(data.reversal_date_time) or at)


def _dispute(told: _Callback, data: _Chargeback, reference: str, event: Literal["opened", "won"], at: datetime) -> Fact:
    """The transaction's own merchantTransactionId is of AllSecure's making; what it is about stands in the data."""
    session_id, charge = _our_id(data.original_merchant_transaction_id), data.original_uuid
    if session_id is None and charge is None:
        raise Permanent("AllSecure tells of a chargeback and not of what")
    money = told.money if data.amount is None else _money(data.amount, data.currency or told.currency)
    return DisputeTold(session_id, reference, event, money, at, charge)


def _money(amount: str | None, currency: str | None) -> Money:
    return read_amount(amount or "", currency or "")


def _our_id(text: str | None) -> UUID | None:
    """Ours are written in one way only; whatever is written otherwise is somebody else's."""
    return UUID(text) if text is not None and _OUR_ID.fullmatch(text) else None


def _signed_at(headers: Mapping[str, str]) -> datetime:
    """By X-Date, which wins over Date, as for the signature; now when neither is one, or it lies ahead."""
    now = utc_now()
    for name in ("x-date", "date"):
        try:
            moment = parsedate_to_datetime(headers.get(name, ""))
        except ValueError:
            continue
        return min(now, moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))
    return now


def _moment(text: str | None) -> datetime | None:
    """2026-11-20 12:00:00 UTC, as their samples have it, or RFC 3339; without a zone it counts as UTC."""
    match = _MOMENT.fullmatch(text or "")
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or '+00:00'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None

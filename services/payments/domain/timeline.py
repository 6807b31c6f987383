"""The steps of one payment, made of what was kept of it: each with its time, its place, and the ids that link it to the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.payments.domain.payments import PAID_FROM_BALANCE, Payment, Status

GATEWAY: Final = "gateway"
PAYMENTS: Final = "payments"


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    name: str
    service: str
    ids: dict[str, str]
    detail: dict[str, Any]


# ---- what was kept


@dataclass(frozen=True, slots=True)
class Subject:
    """The payment; `opened_at`: its session, at the provider; `settled_at`: when its status last changed."""

    payment: Payment
    opened_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A raw provider event. `raw` is for those who may see it: headers and body, or why they cannot be shown."""

    provider: str
    event_id: str
    outcome: str
    request_id: str
    received_at: datetime
    stored_at: datetime
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message of the outbox, as long as it is kept."""

    message_type: str
    message_id: UUID
    request_id: str
    written_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptStep:
    """Something that was done about the payment afterwards: a refund, a dispute, an item in suspense. `changes`: each with its time."""

    kind: str
    thing_id: UUID
    request_id: str
    began_as: str
    began_at: datetime
    changes: tuple[tuple[str, datetime, Mapping[str, Any]], ...]
    ids: Mapping[str, str]
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeptAction:
    """What somebody did to it by the audit log."""

    audit_id: UUID
    at: datetime
    actor: str
    action: str
    resource: str
    request_id: str


# ---- and what it tells


def of_payment(subject: Subject, events: Sequence[KeptEvent] = ()) -> Iterator[Step]:
    """Request, session and outcome; `events` tell whose request brought the outcome."""
    payment = subject.payment
    ids = {"payment_id": str(payment.payment_id)}
    money = {"amount_minor": payment.money.amount_minor, "currency": payment.money.currency}
    asked = {**ids, "request_id": payment.correlation_id}
    if payment.order_id is not None:
        asked["order_id"] = str(payment.order_id)
    yield Step(payment.created_at, "payment.requested", PAYMENTS, asked, {"kind": payment.kind, "method": payment.provider, **money})
    if payment.refusal is not None:
        yield Step(payment.created_at, "payment.refused", PAYMENTS, asked, {"code": payment.refusal.code})
        return
    if subject.opened_at is not None:
        opened = {**ids, "request_id": payment.correlation_id, "session_id": str(payment.session_id)}
        until = {} if payment.expires_at is None else {"expires_at": _text(payment.expires_at)}
        yield Step(subject.opened_at, "session.opened", PAYMENTS, opened, {"method": payment.provider, **until})
    for event in events:
        yield from of_event(event)
    settled_at = subject.settled_at or payment.completed_at
    if payment.status is not Status.PENDING and settled_at is not None:
        ended = {**ids, "request_id": _cause(payment, settled_at, events)}
        if payment.credit_reference is not None:
            ended["transaction_id"] = payment.credit_reference
        paid = {} if payment.completed_at is None else {"paid_at": _text(payment.completed_at)}
        yield Step(settled_at, f"payment.{payment.status}", PAYMENTS, ended, {**money, **paid})


def of_event(event: KeptEvent) -> Iterator[Step]:
    ids = {"event_id": event.event_id, "request_id": event.request_id}
    yield Step(event.received_at, "provider_event.received", GATEWAY, ids, {"provider": event.provider, **event.raw})
    yield Step(event.stored_at, "provider_event.stored", PAYMENTS, ids, {"provider": event.provider, "outcome": event.outcome})


def of_what_followed(kept: KeptStep) -> Iterator[Step]:
    ids = {f"{kept.kind}_id": str(kept.thing_id), **kept.ids, "request_id": kept.request_id}
    yield Step(kept.began_at, f"{kept.kind}.{kept.began_as}", PAYMENTS, ids, dict(kept.detail))
    for name, at, detail in kept.changes:
        yield Step(at, f"{kept.kind}.{name}", PAYMENTS, ids, dict(detail))


def of_action(action: KeptAction) -> Iterator[Step]:
    ids = {"audit_id": str(action.audit_id), "request_id": action.request_id}
    yield Step(action.at, f"audit.{action.action}", PAYMENTS, ids, {"actor": action.actor, "resource": action.resource})


def of_message(message: KeptMessage) -> Iterator[Step]:
    ids = {"message_id": str(message.message_id), "request_id": message.request_id}
    yield Step(message.written_at, "message.written", PAYMENTS, ids, {"type": message.message_type})
    if message.sent_at is not None:
        yield Step(message.sent_at, "message.sent", PAYMENTS, ids, {"type": message.message_type})


def in_order(steps: Iterable[Step]) -> list[Step]:
    """By time; those of one transaction in the order in which they were given."""
    return sorted(steps, key=lambda step: step.at)


def references(payment: Payment, followed: Iterable[KeptStep]) -> list[str]:
    """Under which wallet has booked what this payment moved, the earliest first."""
    found = []
    if payment.credit_reference is not None:
        found.append(payment.credit_reference)
    elif payment.provider == PAID_FROM_BALANCE:
        found.append(f"{PAID_FROM_BALANCE}:{payment.payment_id}")
    for kept in followed:
        found += [f"{kept.kind}:{kept.thing_id}{end}" for end in _BOOKED_AS[kept.kind]]
    return list(dict.fromkeys(found))


_BOOKED_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "refund": ("", ":reversal"),
    "dispute": (":opened", ":won"),
    "suspense": (":received", ":assigned", ":refunded", ":written-off"),
}


def _cause(payment: Payment, settled_at: datetime, events: Sequence[KeptEvent]) -> str:
    """The request whose event moved the payment: the event was stored in the same transaction. None of them: it was asked for."""
    return next((event.request_id for event in events if event.stored_at == settled_at), payment.correlation_id)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

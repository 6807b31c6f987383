"""Stripe's webhook events (snapshots) in our words; their signatures were verified at the edge."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

import structlog
from prometheus_client import Counter
from pydantic import BaseModel, StringConstraints, ValidationError

from services.payments.domain.facts import Closed, DisputeTold, Fact, Irrelevant, Look, Paid, RefundTold
from services.payments.providers.base import ProviderEvent
from services.payments.providers.stripe.amounts import NotExact, is_known
from services.payments.providers.stripe.client import API_VERSION, NAME
from services.payments.providers.stripe.objects import (
    SESSION,
    Dispute,
    Intent,
    Metadata,
    Refund,
    Seconds,
    StripeId,
    latest_moment,
    moment,
    our_id,
)
from shared.delivery.errors import Permanent

log = structlog.get_logger(__name__)

OTHER_VERSION: Final = Counter(
    "purser_provider_event_version_total", "Events that a provider renders in another version than the one we read", ["provider"]
)


class _Head(BaseModel):
    """What every event has; `object` is "event" for snapshots and "v2.core.event" for thin ones, which have no content."""

    id: StripeId
    object: str
    type: Annotated[str, StringConstraints(max_length=100)]


class _Data(BaseModel):
    object: dict[str, Any]


class _Ours(BaseModel):
    """What a shared account's objects are told apart by, read before anything else of them is."""

    metadata: Metadata | None = None

    @property
    def session_id(self) -> UUID | None:
        return our_id(self.metadata, SESSION)


class _Event(_Head):
    """`account`: of Connect, whose money the event is about; none: our own."""

    created: Seconds
    livemode: bool
    api_version: str | None
    account: str | None = None
    data: _Data


def read(body: bytes, *, live: bool) -> ProviderEvent:
    """Permanent when it cannot be read. `live`: the mode of our own key."""
    try:
        head = _Head.model_validate_json(body)
        if head.object != "event":
            return ProviderEvent(head.id, Irrelevant(f"object {head.object[:40]}"))
        return ProviderEvent(head.id, _fact(_Event.model_validate_json(body), live=live))
    except (ValidationError, NotExact) as error:
        raise Permanent("not an event of Stripe's") from error


def _fact(event: _Event, *, live: bool) -> Fact:
    if event.account is not None:
        return Irrelevant("a connected account's")
    if event.livemode is not live:
        log.error("an event of Stripe's other mode: the webhook's secret and the key do not belong together", event_id=event.id)
        return Irrelevant("of the other mode")
    if event.api_version != API_VERSION:
        OTHER_VERSION.labels(NAME).inc()
        log.warning("Stripe renders events in another version", version=(event.api_version or "")[:40], ours=API_VERSION)
    group, _, what = event.type.rpartition(".")
    match group:
        case "payment_intent":
            return _of_intent(event, what)
        case "refund":
            return _of_refund(event)
        case "charge.dispute":
            return _of_dispute(event, what)
        case _:
            # Also charge.refunded and charge.refund.updated: refund.* tells the same.
            return _nothing(event)


def _of_intent(event: _Event, what: str) -> Fact:
    session_id = _Ours.model_validate(event.data.object).session_id
    if session_id is None:
        return Irrelevant("no reference of ours")
    if what == "payment_failed":
        return Irrelevant("attempt declined")
    if what == "processing":
        # For days, perhaps: it must not be told as over meanwhile.
        return Look(session_id)
    if what not in ("succeeded", "canceled"):
        return _nothing(event)
    if event.api_version != API_VERSION:
        # Rendered otherwise than we read it: Stripe is asked, in our version.
        return Look(session_id)
    if what == "canceled":
        return Closed(session_id, latest_moment(event.created))
    intent = Intent.model_validate(event.data.object)
    return Paid(session_id, intent.id, intent.received, moment(event.created))


def _of_refund(event: _Event) -> Fact:
    refund = Refund.model_validate(event.data.object)
    if refund.refund_id is None and (refund.charge_reference is None or not is_known(refund.currency)):
        return Irrelevant("no reference of ours")
    reason = refund.why_failed if refund.outcome == "failed" else refund.reason or ""
    return RefundTold(
        session_id=refund.session_id,
        refund_id=refund.refund_id,
        provider_reference=refund.id,
        money=refund.money,
        outcome=refund.outcome,
        happened_at=moment(event.created),
        reason=reason,
        charge_reference=refund.charge_reference,
    )


def _of_dispute(event: _Event, what: str) -> Fact:
    """Money moves when funds are withdrawn and reinstated; what is lost has been withdrawn, and stays so."""
    dispute = Dispute.model_validate(event.data.object)
    told: Literal["opened", "won", "lost"]
    match what:
        case "funds_withdrawn":
            told = "opened"
        case "funds_reinstated":
            told = "won"
        case "closed" if dispute.status == "lost":
            told = "lost"
        case _:
            return _nothing(event)
    reference = dispute.payment_intent or dispute.charge
    if reference is None or not is_known(dispute.currency):
        return Irrelevant("no reference of ours")
    return DisputeTold(None, dispute.id, told, dispute.money, moment(event.created), charge_reference=reference)


def _nothing(event: _Event) -> Irrelevant:
    return Irrelevant(f"type {event.type[:40]}")

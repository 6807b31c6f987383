"""The mock's own events: decided by payments, handed in here through the same ingress as a POST to /webhooks/mock."""

from __future__ import annotations

from uuid import UUID

import structlog

from services.gateway.parts import Parts
from services.gateway.problems import Problem
from services.gateway.signatures.base import Received, SignatureError
from shared.contracts.payment_commands import SignedEvent
from shared.delivery.errors import DeliveryError, NotConfirmed

log = structlog.get_logger(__name__)


async def hand_in(parts: Parts, event: SignedEvent, payment_id: UUID, correlation_id: str) -> None:
    """Returns when the event is durable, or may be: a repeat of the request hands it in again. Problem: broker_unavailable."""
    headers = [(name.lower().encode(), value.encode()) for name, value in event.headers.items()]
    try:
        await parts.ingress.receive("mock", Received(headers, event.body), correlation_id)
    except SignatureError:
        log.error("the mock's own event is not authentic: do all services have the same SECRET_KEY?", payment_id=str(payment_id))
    except NotConfirmed:
        log.warning("the mock's event was not confirmed", payment_id=str(payment_id))
    except DeliveryError as error:
        raise Problem("broker_unavailable", "the outcome is decided but not handed in; send the same again") from error

"""What payments asks of a provider, and the answers it understands; only an explicit answer means success or failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.payments.domain import Declined, Fact, Paid, Payment


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the session; the payer goes on at `payment_url` until `expires_at`."""

    payment_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or one that does not tell (timeout, 5xx): asked again until it is known."""


@dataclass(frozen=True, slots=True)
class Open:
    """The session is there and nobody has paid or ended it; `expired`: nobody can any more."""

    expired: bool


Created = Accepted | Unknown
Told = Paid | Declined | Open | Unknown


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A webhook event read by its provider's adapter: its id (the provider's own, unique there) and what it says."""

    event_id: str
    fact: Fact


class Provider(Protocol):
    """An adapter. It knows the provider's words and nothing of our tables, except for the mock, whose book lies in them."""

    @property
    def name(self) -> str: ...

    async def create(self, payment: Payment) -> Created:
        """Opens the session `payment.session_id` at the provider. Asked again for the same session, it answers the same."""
        ...

    async def find(self, payment: Payment) -> Told:
        """What the provider says of the payment's session now, asked by our own reference."""
        ...

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """The event in `body`, whose signature the gateway has verified. Permanent (errors.py) when it cannot be read."""
        ...

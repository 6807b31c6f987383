"""A provider that answers as a test says, for what no stand-in does when asked to: refusing, being away, forgetting how to end things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson

from services.payments.domain.capabilities import ANY_AMOUNT, AmountRange, Capabilities
from services.payments.domain.facts import Fact
from services.payments.domain.payments import Payment
from services.payments.providers.base import Accepted, Canceled, Created, Ended, Open, Payer, ProviderEvent, Told
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_events import ProviderEventReceived

ALL_OF_IT = Capabilities(refund=True, status=True, cancel=True, payout=True, dispute=True)


@dataclass
class ScriptedProvider:
    """`created`, `told` and `ended` are what it answers next; `facts` what its events say, by event id."""

    name: str = "stripe"
    capabilities: Capabilities = ALL_OF_IT
    currencies: Mapping[str, AmountRange] = field(default_factory=lambda: ANY_AMOUNT)
    questions_per_minute: int | None = None
    created: Created | None = None
    told: Told = field(default_factory=lambda: Open(expired=False))
    ended: Ended = field(default_factory=Canceled)
    facts: dict[str, Fact] = field(default_factory=dict)
    creations: list[tuple[Payment, Payer, bool]] = field(default_factory=list)
    asked: list[Payment] = field(default_factory=list)
    ends: list[Payment] = field(default_factory=list)

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        self.creations.append((payment, payer, again))
        return self.created or accepted(payment)

    async def find(self, payment: Payment) -> Told:
        self.asked.append(payment)
        return self.told

    async def cancel(self, payment: Payment) -> Ended:
        self.ends.append(payment)
        return self.ended

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        event_id = orjson.loads(body)["id"]
        return ProviderEvent(event_id, self.facts[event_id])

    def event(self, fact: Fact) -> ProviderEventReceived:
        """A webhook that says so."""
        event_id = f"evt_{new_id().hex}"
        self.facts[event_id] = fact
        body = orjson.dumps({"id": event_id})
        message = ProviderEventReceived(correlation_id="event-1", provider=self.name, headers={}, body=b"")
        return message.model_copy(update={"body": body})


def accepted(payment: Payment, *, until: datetime | None = None) -> Accepted:
    """A session of the provider's own name, and a secret for the payer's browser."""
    return replace(
        Accepted(f"https://pay.example.org/{payment.session_id}", until or utc_now() + timedelta(hours=1)),
        provider_reference=f"pi_{payment.session_id}",
        client_secret=f"pi_{payment.session_id}_secret_1",
    )

"""What leads a payer on to paying, sealed in the payment's row: the link, and the secret for the provider's form."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from services.payments.domain.payments import NextStep, Payment
from shared.sealing import Seal, Unreadable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StepSeals:
    """One key each: the link, which may name the payer, and the client secret."""

    url: Seal
    secret: Seal

    @classmethod
    def of(cls, data_keys: tuple[str, ...]) -> StepSeals:
        return cls(Seal(data_keys, "payment-url"), Seal(data_keys, "client-secret"))

    def open(self, payment: Payment) -> NextStep:
        """Unreadable (shared/sealing.py) when a key is gone."""
        return NextStep(self.open_url(payment), self.open_secret(payment))

    def open_url(self, payment: Payment) -> str | None:
        """None before the provider has answered, and when the link's time is over. Unreadable."""
        if payment.sealed_url is None:
            return payment.unsealed_url
        return self.url.open(payment.sealed_url).decode()

    def shown_url(self, payment: Payment) -> str | None:
        """The same for whoever looks at the payment: without its link when the key is gone, for the rest can still be told."""
        try:
            return self.open_url(payment)
        except Unreadable as error:
            log.error("a payment link cannot be read", payment_id=str(payment.payment_id), reason=str(error))
            return None

    def open_secret(self, payment: Payment) -> str | None:
        """None where the provider has none. Unreadable."""
        return None if payment.client_secret is None else self.secret.open(payment.client_secret).decode()

    def close_url(self, step: NextStep) -> bytes | None:
        return None if step.url is None else self.url.close(step.url.encode())

    def close_secret(self, step: NextStep) -> bytes | None:
        return None if step.client_secret is None else self.secret.close(step.client_secret.encode())

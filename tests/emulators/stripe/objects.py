"""Payment methods, intents and charges as the API shows them in version 2026-10-28.endive; Stripe's minor units, unix seconds."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from typing import Any, Final

from tests.emulators.stripe.methods import Method

Json = dict[str, Any]

API_VERSION: Final = "2026-10-28.endive"
_SECRET_KEY_ONLY: Final = (
    *("allowed_payment_method_types", "amount_capturable", "amount_received", "application", "application_fee_amount", "customer"),
    *("excluded_payment_method_types", "latest_charge", "metadata", "on_behalf_of", "payment_method_options", "review"),
    *("statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group"),
)
_ALPHABET: Final = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """Never the same twice, also over restarts: who integrates keeps them in a database."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(slots=True)
class PaymentMethod:
    """A test method as one payer's own."""

    id: str
    name: str
    does: Method
    created: int

    def view(self) -> Json:
        kind = self.does.kind
        details: Json = {"last4": self.does.last4}
        if kind == "card":
            details |= {"brand": self.does.brand, "country": "US", "exp_month": 12, "exp_year": 2034, "funding": "credit"}
        return {
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": _nobody(),
            kind: details,
            "created": self.created,
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": kind,
        }


@dataclass(slots=True)
class PaymentIntent:
    """`echo`: parameters that are shown as they were sent. `redirects`: a method may take the payer elsewhere and needs a return_url."""

    id: str
    client_secret: str
    amount: int
    currency: str
    created: int
    capture_method: str
    metadata: dict[str, str]
    automatic: Json | None
    allowed_types: list[str] | None
    excluded_types: list[str] | None
    redirects: bool
    echo: Json
    status: str = "requires_payment_method"
    method: PaymentMethod | None = None
    return_url: str | None = None
    next_action: Json | None = None
    last_error: Json | None = None
    latest_charge: str | None = None
    amount_capturable: int = 0
    amount_received: int = 0
    canceled_at: int | None = None
    cancellation_reason: str | None = None

    @property
    def types(self) -> list[str]:
        """The methods that the payer may choose from."""
        if self.allowed_types is not None:
            return self.allowed_types
        return [kind for kind in ("card", "sepa_debit") if kind not in (self.excluded_types or [])]

    def view(self) -> Json:
        return {
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": self.allowed_types,
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_details": {"tip": {}},
            "amount_received": self.amount_received,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": self.automatic,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": None,
            "description": self.echo.get("description"),
            "excluded_payment_method_types": self.excluded_types,
            "last_payment_error": self.last_error,
            "latest_charge": self.latest_charge,
            "livemode": False,
            "metadata": dict(self.metadata),
            "next_action": self.next_action,
            "on_behalf_of": None,
            "payment_method": self.method.id if self.method else None,
            "payment_method_configuration_details": None,
            "payment_method_options": self.echo.get("payment_method_options", {}),
            "payment_method_types": self.types,
            "processing": {"card": {}, "type": "card"} if self.status == "processing" else None,
            "receipt_email": self.echo.get("receipt_email"),
            "review": None,
            "setup_future_usage": self.echo.get("setup_future_usage"),
            "shipping": self.echo.get("shipping"),
            "source": None,
            "statement_descriptor": self.echo.get("statement_descriptor"),
            "statement_descriptor_suffix": self.echo.get("statement_descriptor_suffix"),
            "status": self.status,
            "transfer_data": None,
            "transfer_group": self.echo.get("transfer_group"),
        }

    def public_view(self) -> Json:
        """What a publishable key may see."""
        return {name: value for name, value in self.view().items() if name not in _SECRET_KEY_ONLY}


@dataclass(slots=True)
class Charge:
    """`refunded_minor`: with pending refunds, without failed ones. `released_minor`: authorised and never taken, and told as refunded."""

    id: str
    intent: str
    amount: int
    currency: str
    created: int
    method: PaymentMethod
    metadata: dict[str, str]
    description: str | None
    receipt_email: str | None
    status: str
    captured: bool
    captured_minor: int = 0
    refunded_minor: int = 0
    released_minor: int = 0
    disputed: bool = False
    failure: tuple[str, str | None, str] | None = None

    @property
    def _is_refunded(self) -> bool:
        return 0 < self.captured_minor <= self.refunded_minor or self.amount <= self.refunded_minor + self.released_minor

    @property
    def refundable_minor(self) -> int:
        return self.captured_minor - self.refunded_minor

    def view(self) -> Json:
        code, decline_code, message = self.failure or (None, None, None)
        paid = self.status == "succeeded"
        outcome = {
            "network_status": "approved_by_network" if self.failure is None else "declined_by_network",
            "reason": decline_code,
            "risk_level": "normal",
            "seller_message": "Payment complete."
            if self.failure is None
            else "The bank did not return any further details with this decline.",
            "type": "authorized" if self.failure is None else "issuer_declined",
        }
        kind = self.method.does.kind
        return {
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.captured_minor,
            "amount_refunded": self.refunded_minor + self.released_minor,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": "txn_" + self.id.removeprefix("ch_") if self.captured_minor else None,
            "billing_details": _nobody(),
            "calculated_statement_descriptor": "EMULATOR",
            "captured": self.captured,
            "created": self.created,
            "currency": self.currency,
            "customer": None,
            "description": self.description,
            "disputed": self.disputed,
            "failure_balance_transaction": None,
            "failure_code": code,
            "failure_message": message,
            "fraud_details": {},
            "livemode": False,
            "metadata": dict(self.metadata),
            "on_behalf_of": None,
            "outcome": outcome,
            "paid": paid,
            "payment_intent": self.intent,
            "payment_method": self.method.id,
            "payment_method_details": {kind: self.method.view()[kind], "type": kind},
            "receipt_email": self.receipt_email,
            "receipt_number": None,
            "receipt_url": None,
            "refunded": self._is_refunded,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": self.status,
            "transfer_data": None,
            "transfer_group": None,
        }


def _nobody() -> Json:
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}

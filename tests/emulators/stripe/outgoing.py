"""The objects that take money out of Stripe's balance: refunds, disputes, payouts; shown as objects.py shows the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.emulators.stripe.objects import Json

_DAY_SECONDS: Final = 86_400


@dataclass(slots=True)
class Refund:
    """`releases`: no refund of money, only the end of an authorisation."""

    id: str
    charge: str
    intent: str
    amount: int
    currency: str
    created: int
    reason: str | None
    metadata: dict[str, str]
    status: str = "pending"
    pending_reason: str | None = None
    failure_reason: str | None = None
    failure_transaction: str | None = None
    releases: bool = False

    def view(self) -> Json:
        shown: Json = {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": "txn_" + self.id.removeprefix("re_") if self.pending_reason != "insufficient_funds" else None,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "destination_details": {"card": {"reference_status": "pending", "reference_type": "acquirer_reference_number"}, "type": "card"},
            "metadata": dict(self.metadata),
            "payment_intent": self.intent,
            "reason": self.reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": self.status,
            "transfer_reversal": None,
        }
        if self.pending_reason is not None:
            shown["pending_reason"] = self.pending_reason
        if self.failure_reason is not None:
            shown |= {"failure_reason": self.failure_reason, "failure_balance_transaction": self.failure_transaction}
        return shown


@dataclass(slots=True)
class Dispute:
    """`withdrawn`: the money has left the merchant's balance."""

    id: str
    charge: str
    intent: str
    amount: int
    currency: str
    created: int
    reason: str
    status: str
    metadata: dict[str, str] = field(default_factory=dict)
    evidence: Json = field(default_factory=dict)
    submissions: int = 0
    withdrawn: bool = False

    @property
    def is_inquiry(self) -> bool:
        return self.status.startswith("warning_")

    def view(self) -> Json:
        return {
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [],
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": dict(self.evidence),
            "evidence_details": {
                "due_by": self.created + 7 * _DAY_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": bool(self.evidence),
                "past_due": False,
                "submission_count": self.submissions,
            },
            "is_charge_refundable": self.is_inquiry,
            "livemode": False,
            "metadata": dict(self.metadata),
            "payment_intent": self.intent,
            "payment_method_details": {"card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"}, "type": "card"},
            "reason": self.reason,
            "status": self.status,
        }


@dataclass(slots=True)
class Payout:
    id: str
    amount: int
    currency: str
    created: int
    method: str
    description: str | None
    statement_descriptor: str | None
    metadata: dict[str, str]
    status: str = "pending"
    failure_code: str | None = None

    def view(self) -> Json:
        return {
            "id": self.id,
            "object": "payout",
            "amount": self.amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": self.created + 2 * _DAY_SECONDS,
            "automatic": False,
            "balance_transaction": "txn_" + self.id.removeprefix("po_"),
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "destination": "ba_emulator",
            "failure_balance_transaction": "txn_f" + self.id.removeprefix("po_") if self.failure_code else None,
            "failure_code": self.failure_code,
            "failure_message": "The bank account could not be paid." if self.failure_code else None,
            "livemode": False,
            "metadata": dict(self.metadata),
            "method": self.method,
            "original_payout": None,
            "reconciliation_status": "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": self.statement_descriptor,
            "status": self.status,
            "type": "bank_account",
        }

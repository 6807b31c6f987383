"""Test payment methods (https://docs.stripe.com/testing): what each does when an intent is confirmed with it.

`pm_sepaDebit_…` are this stand-in's own names for methods that take days: Stripe's differ from bank to bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["succeeds", "declined", "processing"]
Sequel = Literal["", "dispute", "inquiry", "refund_fails", "refund_pending"]


@dataclass(frozen=True, slots=True)
class Method:
    """`asks`: 3-D Secure comes before the outcome. `settles`: how "processing" ends. `decline`: code, decline_code, message."""

    last4: str
    outcome: Outcome = "succeeds"
    asks: bool = False
    decline: tuple[str, str | None, str] | None = None
    settles: bool = True
    sequel: Sequel = ""
    kind: Literal["card", "sepa_debit"] = "card"
    brand: str = "visa"


def _declined(last4: str, code: str, decline_code: str | None, message: str, *, asks: bool = False) -> Method:
    return Method(last4, "declined", decline=(code, decline_code, message), asks=asks)


_GENERIC: Final = _declined("0002", "card_declined", "generic_decline", "Your card was declined.")
_FUNDS: Final = _declined("9995", "card_declined", "insufficient_funds", "Your card has insufficient funds.")
_LOST: Final = _declined("9987", "card_declined", "lost_card", "Your card was declined.")
_STOLEN: Final = _declined("9979", "card_declined", "stolen_card", "Your card was declined.")
_EXPIRED: Final = _declined("0069", "expired_card", None, "Your card has expired.")
_CVC: Final = _declined("0127", "incorrect_cvc", None, "Your card's security code is incorrect.")
_PROCESSING_ERROR: Final = _declined(
    "0119", "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
)

METHODS: Final = {
    "pm_card_visa": Method("4242"),
    "pm_card_visa_debit": Method("5556"),
    "pm_card_mastercard": Method("4444", brand="mastercard"),
    "pm_card_chargeDeclined": _GENERIC,
    "pm_card_visa_chargeDeclined": _GENERIC,
    "pm_card_chargeCustomerFail": _GENERIC,
    "pm_card_chargeDeclinedInsufficientFunds": _FUNDS,
    "pm_card_visa_chargeDeclinedInsufficientFunds": _FUNDS,
    "pm_card_visa_chargeDeclinedLostCard": _LOST,
    "pm_card_visa_chargeDeclinedStolenCard": _STOLEN,
    "pm_card_chargeDeclinedExpiredCard": _EXPIRED,
    "pm_card_chargeDeclinedIncorrectCvc": _CVC,
    "pm_card_chargeDeclinedProcessingError": _PROCESSING_ERROR,
    "pm_card_authenticationRequired": Method("3184", asks=True),
    "pm_card_threeDSecure2Required": Method("3220", asks=True),
    "pm_card_threeDSecureRequiredChargeDeclined": _declined(
        "1629", "card_declined", "generic_decline", "Your card was declined.", asks=True
    ),
    "pm_card_createDispute": Method("0259", sequel="dispute"),
    "pm_card_createDisputeInquiry": Method("1976", sequel="inquiry"),
    "pm_card_refundFail": Method("5126", sequel="refund_fails"),
    "pm_card_pendingRefund": Method("7726", sequel="refund_pending"),
    "pm_sepaDebit_success": Method("3000", "processing", kind="sepa_debit", brand=""),
    "pm_sepaDebit_failed": Method(
        "2987",
        "processing",
        settles=False,
        decline=("payment_intent_payment_attempt_failed", None, "The payment was refused by the payer's bank."),
        kind="sepa_debit",
        brand="",
    ),
}

"""What operators read of codes: what is stuck and why, what can be decided, and why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.visits import Visit
from shared.contracts.base import utc_now

SERIES: Final[Mapping[str, str]] = {
    "completed": marked("Paid in full"),
    "returned": marked("Refunded or disputed"),
    "pending": marked("Waiting for the payer"),
    "unpaid": marked("Not paid"),
}

STUCK: Final[Mapping[str, str]] = {
    "payment": marked("Payment"),
    "refund": marked("Refund"),
    "withdrawal": marked("Withdrawal"),
    "order": marked("Order"),
    "suspense": marked("Money in suspense"),
    "dispute": marked("Dispute"),
    "transfer": marked("Transfer"),
    "messages": marked("Messages"),
}

WHY: Final[Mapping[str, str]] = {
    "not_opened": marked("The provider has not opened a payment page"),
    "session_over": marked("Its time is over, and the provider does not say what became of it"),
    "wallet_silent": marked("Waits for the ledger"),
    "provider_silent": marked("The provider has not answered"),
    "provider_pending": marked("The provider has it and has not finished"),
    "not_sent": marked("Approved, but not sent yet"),
    "outcome_unknown": marked("Sent; nobody knows what became of it"),
    "not_delivered": marked("Paid, but not delivered yet"),
    "delivery_failed": marked("Paid, but it could not be delivered"),
    "undecided": marked("Somebody has to decide whose it is"),
    "not_published": marked("Not published yet"),
}

WAITING: Final[Mapping[str, str]] = {
    "approval": marked("Withdrawals to approve"),
    "payment_by_hand": marked("Withdrawals to pay at the bank"),
    "decision": marked("Money in suspense"),
    "provider": marked("Open disputes"),
    "payer": marked("Payments under way"),
}

SUSPENDED_BECAUSE: Final[Mapping[str, str]] = {
    "currency_mismatch": marked("Paid in another currency"),
    "less_than_asked": marked("Less than was asked for"),
    "more_than_asked": marked("More than was asked for"),
    "unknown_reference": marked("Nothing here has that reference"),
    "refused_payment": marked("The payment had been refused"),
    "second_payment": marked("Paid a second time"),
    "refund_failed": marked("A refund came back"),
    "reference_in_use": marked("The charge pays something else already"),
    "something_else_paid": marked("Something else was paid for"),
}

SUSPENSE_STATUSES: Final[Mapping[str, str]] = {
    "open": marked("To be decided"),
    "assigned": marked("Assigned"),
    "refunded": marked("Sent back"),
    "written_off": marked("Written off"),
}

REFUSALS: Final[Mapping[str, str]] = {
    "forbidden": marked("It is your own withdrawal: another admin has to decide."),
    "withdrawal_not_pending": marked("It does not wait for a decision any more."),
    "withdrawal_final": marked("It has been decided otherwise meanwhile."),
    "idempotency_key_reused": marked("It has been decided otherwise meanwhile."),
    "withdrawal_not_sent": marked("Nothing of it was sent."),
    "withdrawal_not_paid": marked("It was not paid, so nothing can come back."),
    "payout_not_manual": marked("It is not paid out by hand."),
    "payout_not_overdue": marked("Its outcome has not been unknown for a day yet."),
    "suspense_item_decided": marked("It has been decided already what becomes of it."),
    "payment_not_found": marked("There is no such payment."),
    "payment_not_assignable": marked("That payment cannot be paid out of suspense."),
    "already_paid": marked("That payment is paid already."),
    "amount_mismatch": marked("The sums do not match."),
    "refund_not_supported": marked("This provider cannot send money back."),
    "refund_declined": marked("The provider declined to send it back."),
}

_PAYOUTS: Final[Mapping[str, str]] = {"manual": marked("by hand"), "mock": marked("Test payout")}

METHODS: Final = ("stripe", "allsecure", "prodamus", "mock", "balance")
"""In the order of their colours in charts."""


def named(visit: Visit, names: Mapping[str, str], key: str) -> str:
    """In the visitor's language; one that is new to us as it is written."""
    message = names.get(key)
    return key.replace("_", " ") if message is None else visit.gettext(message)


def for_how_long(visit: Visit, since: datetime) -> str:
    """3 hr, in words of the language; whole seconds at least."""
    return visit.formats.span(1_000 * max(1, (utc_now() - since) // timedelta(seconds=1)))


def who(visit: Visit, actor: str) -> str:
    """An actor as the audit log names it, in words."""
    if actor == "auto":
        return visit.gettext("automatically, under the limit")
    if actor == "system":
        return visit.gettext("the system")
    kind, _, user_id = actor.partition(":")
    return visit.gettext("user %(id)s") % {"id": user_id} if kind == "user" else actor


def payout(visit: Visit, method: str) -> str:
    """How a withdrawal is paid out."""
    return named(visit, _PAYOUTS, method) if method in _PAYOUTS else visit.parts.hypertext.names[visit.locale].method_name(method)

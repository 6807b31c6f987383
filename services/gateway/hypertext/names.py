"""What states, kinds and methods are called in people's words; the API's own names stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.gateway.hypertext.catalogues import marked

_STATUSES: Final[Mapping[str, str]] = {
    "pending": marked("Pending"),
    "completed": marked("Completed"),
    "failed": marked("Failed"),
    "refunded": marked("Refunded"),
    "partially_refunded": marked("Partly refunded"),
    "canceled": marked("Canceled"),
    "expired": marked("Expired"),
    "disputed": marked("Disputed"),
    "approved": marked("Approved"),
    "sending": marked("Being sent"),
    "paid": marked("Paid"),
    "rejected": marked("Rejected"),
    "returned": marked("Returned"),
    "succeeded": marked("Succeeded"),
    "fulfilled": marked("Fulfilled"),
    "fulfilment_failed": marked("Not fulfilled"),
    "open": marked("Open"),
    "accepted": marked("Accepted"),
    "won": marked("Won"),
    "lost": marked("Lost"),
}

_TONES: Final[Mapping[str, str]] = {
    "completed": "good", "paid": "good", "succeeded": "good", "fulfilled": "good", "won": "good",
    "pending": "waiting", "approved": "waiting", "sending": "waiting", "accepted": "waiting", "open": "waiting",
    "failed": "bad", "rejected": "bad", "disputed": "bad", "fulfilment_failed": "bad", "returned": "bad", "lost": "bad",
}  # fmt: skip

_KINDS: Final[Mapping[str, str]] = {
    "deposit": marked("Top-up"),
    "payment": marked("Payment"),
    "session": marked("Session"),
    "order": marked("Order"),
    "refund": marked("Refund"),
    "withdrawal": marked("Withdrawal"),
    "fee": marked("Fee"),
    "transfer": marked("Transfer"),
    "dispute": marked("Dispute"),
    "adjustment": marked("Adjustment"),
}

_METHODS: Final[Mapping[str, str]] = {
    "balance": marked("Balance"),
    "mock": marked("Test payment"),
    "stripe": "Stripe",
    "allsecure": "AllSecure",
    "prodamus": "Prodamus",
}


class Names:
    """In one language; its public methods are the templates' filters. A name that is new to us is shown as the API writes it."""

    def __init__(self, gettext: Callable[[str], str]) -> None:
        self._gettext = gettext

    def status_name(self, status: str) -> str:
        return self._named(_STATUSES, status)

    def status_tone(self, status: str) -> str:
        """good, waiting, bad or quiet: beside the word, never instead of it."""
        return _TONES.get(status, "quiet")

    def kind_name(self, kind: str) -> str:
        return self._named(_KINDS, kind)

    def method_name(self, method: str) -> str:
        return self._named(_METHODS, method)

    def _named(self, names: Mapping[str, str], key: str) -> str:
        message = names.get(key)
        return key.replace("_", " ") if message is None else self._gettext(message)

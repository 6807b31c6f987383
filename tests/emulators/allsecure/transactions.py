"""What the gateway's book is made of: transactions, their kinds, states and failures; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tests.emulators.allsecure.signing import BodyHash


class Kind(StrEnum):
    """transactionType, as callbacks and the status API say it."""

    DEBIT = "DEBIT"
    PREAUTHORIZE = "PREAUTHORIZE"
    CAPTURE = "CAPTURE"
    VOID = "VOID"
    REFUND = "REFUND"
    PAYOUT = "PAYOUT"
    REGISTER = "REGISTER"
    DEREGISTER = "DEREGISTER"
    INCREMENTAL_AUTHORIZATION = "INCREMENTAL-AUTHORIZATION"
    CHARGEBACK = "CHARGEBACK"
    CHARGEBACK_REVERSAL = "CHARGEBACK-REVERSAL"


METHODS: Final = {
    "debit": Kind.DEBIT,
    "preauthorize": Kind.PREAUTHORIZE,
    "capture": Kind.CAPTURE,
    "void": Kind.VOID,
    "refund": Kind.REFUND,
    "payout": Kind.PAYOUT,
    "register": Kind.REGISTER,
    "deregister": Kind.DEREGISTER,
    "incrementalAuthorization": Kind.INCREMENTAL_AUTHORIZATION,
}
"""The last part of a transaction call's path -> what it makes."""

PAYER_DECIDES: Final = frozenset({Kind.DEBIT, Kind.PREAUTHORIZE, Kind.REGISTER})
"""Kinds with a hosted page, where no token and no stored instrument is given."""


class Status(StrEnum):
    """transactionStatus of the status API."""

    SUCCESS = "SUCCESS"
    PENDING = "PENDING"
    REDIRECT = "REDIRECT"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"


UNDECIDED: Final = frozenset({Status.REDIRECT, Status.PENDING})


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in both languages: the gateway's (code, message) and, where the bank behind it spoke, the adapter's."""

    code: int
    message: str
    adapter_code: str | None = None
    adapter_message: str | None = None


SUCCESS: Final = "success"
PENDING: Final = "pending"
FAILURES: Final = {
    "cancelled": Failure(2002, "The customer cancelled the transaction"),
    "declined": Failure(2003, "The transaction was declined", "05", "Do not honour"),
    "expired": Failure(2005, "The transaction expired"),
    "insufficient_funds": Failure(2006, "Insufficient funds", "51", "Not sufficient funds"),
    "three_d_secure": Failure(2021, "3-D Secure verification failed"),
    "soft_decline": Failure(2022, "Strong customer authentication is required", "1A", "SCA required"),
    "adapter": Failure(1003, "The transaction could not be processed", "96", "System malfunction"),
}
"""The other outcomes that may be chosen, by name."""

OUTCOMES: Final = (SUCCESS, PENDING, *FAILURES)

TOKENS: Final = {
    "emulator-pays": SUCCESS,
    "emulator-pends": PENDING,
    "emulator-declines": "declined",
    "emulator-insufficient-funds": "insufficient_funds",
    "emulator-soft-decline": "soft_decline",
    "emulator-3ds": "3ds",
}
"""What the browser's card fields would have given, and what comes of it: the emulator's own names, since no test card of AllSecure's
is public. "3ds": the payer has to go to the bank's page."""


class Refusal(Exception):
    """The request makes no transaction: the top-level error form, and no callback ever."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class IllegalMove(ValueError):
    """The transaction's state, or its kind, does not allow this."""


@dataclass(frozen=True, slots=True)
class Request:
    """A transaction call that has passed validation. Amounts in minor units; `customer`, `extra_data`: as received, echoed."""

    kind: Kind
    merchant_transaction_id: str
    amount_minor: int | None = None
    currency: str | None = None
    reference_uuid: str | None = None
    token: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    error_url: str | None = None
    callback_url: str | None = None
    description: str | None = None
    meta_data: str | None = None
    with_register: bool = False
    customer: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One line of the book as it was at one moment. `reference`: the merchant's own merchantTransactionId (or `auto-…`); `original`: the
    uuid of what a refund, capture, chargeback … is about; `chargeback`: the uuid of what a reversal ends; `body_hash`: of the request that
    began it, callbacks inherit it; `page_key`: secret of the hosted page's URL; `at_3ds`: the payer is at the bank's page."""

    uuid: str
    connector: str
    kind: Kind
    status: Status
    request: Request
    body_hash: BodyHash
    created_at: datetime
    changed_at: datetime
    original: str | None = None
    chargeback: str | None = None
    failure: Failure | None = None
    page_key: str | None = None
    at_3ds: bool = False
    asks_3ds: bool = False
    reason: str | None = None

    @property
    def reference(self) -> str:
        return self.request.merchant_transaction_id

    @property
    def purchase_id(self) -> str:
        return f"{self.created_at:%Y%m%d}-{self.uuid}"

    @property
    def amount_minor(self) -> int:
        return self.request.amount_minor or 0

"""What a merchant has agreed with the gateway: its connectors, and how this gateway happens to behave where the documents leave it open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Connector:
    """One payment method's access. `api_key` stands in the URL's path; `username` and `password` are the merchant's, and may be those of
    several connectors. `demands_signature`: an unsigned request is refused (a wrong signature always is). `currencies`: empty means all."""

    api_key: str
    username: str
    password: str = field(repr=False)
    shared_secret: str = field(repr=False)
    demands_signature: bool = True
    allows_md5: bool = False
    currencies: frozenset[str] = frozenset()


CARDS: Final = Connector("emulator-cards", "emulator-merchant", "emulator-password", "emulator-shared-secret")
"""The connector of tests that need but one."""

OLD_CARDS: Final = Connector(
    "emulator-cards-old", "emulator-merchant", "emulator-password", "emulator-older-secret", demands_signature=False, allows_md5=True
)
"""A connector as integrations by the older PHP client have it: MD5 body hashes, and signatures where the client wants them."""

Timing = Literal["before", "after", "never"]


@dataclass(slots=True)
class Behaviour:
    """Choices of this instance; all may be changed while it runs.

    `callbacks`: the callback of what is final at once reaches the merchant before the synchronous answer, after it, or never; that of a
    payer's choice at the hosted page before the browser is sent back, after it, or never.
    `naming`: of an error in callbacks; `list_naming`: in the `errors[]` of answers. `content_type`: of callbacks.
    `renews_date`: whether a repeated callback carries a new Date (not documented).
    `chargeback_amount`: text or number. `dispute_labels`: the other names of chargebacks.
    `decimals_always`: "500.00" for a currency without decimals.
    `skew_seconds`: how far a request's date may lie from now (the real bound is not documented); None: any.
    `refusal_status`, `unknown_status`: HTTP statuses of the top-level error form, and of code 8001 (documented: not 200, no more).
    `asks_3ds`: every hosted payment needs 3-D Secure. `maintenance`: everything is answered 503 with code 1010.
    `reservation_days`: how long a preauthorization can be captured.
    """

    callbacks: Timing = "after"
    naming: Literal["code", "errorCode"] = "code"
    list_naming: Literal["errorCode", "code"] = "errorCode"
    content_type: str = "application/json; charset=utf-8"
    renews_date: bool = True
    chargeback_amount: Literal["text", "number"] = "text"
    dispute_labels: bool = False
    decimals_always: bool = False
    skew_seconds: int | None = 3600
    refusal_status: int = 400
    unknown_status: int = 404
    asks_3ds: bool = False
    maintenance: bool = False
    reservation_days: int = 7


@dataclass(frozen=True, slots=True)
class Limits:
    """Questions to the status API within `window_seconds`, of one API user and about one merchantTransactionId (IXOPAY, "Get by
    merchantTransactionId"); `transactions`: of one connector, as simulators have it (5), None: no bound."""

    per_user: int = 60
    per_transaction: int = 10
    window_seconds: float = 60.0
    transactions: int | None = None

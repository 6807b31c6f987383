"""The wallet's vocabulary: accounts, transfers between them, and which transfer a completed payment is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.contracts.payment_events import PaymentCompleted
from shared.money import Money


class WalletError(Exception):
    """A rule of the book stands against it."""


class InsufficientFunds(WalletError):
    """The account's available balance is less than the amount."""


class ReferenceConflict(WalletError):
    """The reference was posted before with other facts: another sum, another owner or another payment."""


class AccountKind(StrEnum):
    """`USER` accounts keep a running balance; the platform's own keep none, their sums come from the transfers."""

    USER = "user"
    CLEARING = "clearing"
    FEES = "fees"
    REVENUE = "revenue"
    LOSS = "loss"
    SUSPENSE = "suspense"


@dataclass(frozen=True, slots=True)
class AccountName:
    """Names an account; its currency is that of the transfer. `owner`: a user's id, a provider, or 'platform'."""

    kind: AccountKind
    owner: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """`money` (above zero) moves from `source` to `target`; `reference` makes it the same transfer however often it is asked for."""

    reference: str
    kind: str
    source: AccountName
    target: AccountName
    money: Money
    payment_id: UUID | None
    description: str
    correlation_id: str
    occurred_at: datetime

    def __post_init__(self) -> None:
        if self.money.amount_minor <= 0:
            raise WalletError("a transfer moves more than zero")
        if self.source == self.target:
            raise WalletError("a transfer has two different accounts")


class Outcome(StrEnum):
    """What became of a transfer that was to be posted; the words are those of wallet.post_transfers."""

    POSTED = "posted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def credit(payment: PaymentCompleted) -> Transfer:
    """A provider's proven payment moves the sum from the provider's clearing account to the payer's."""
    return Transfer(
        reference=payment.credit_reference,
        kind=payment.kind,
        source=AccountName(AccountKind.CLEARING, payment.provider),
        target=AccountName(AccountKind.USER, payment.user_id or "platform"),
        money=Money(payment.amount_minor, payment.currency),
        payment_id=payment.payment_id,
        description=payment.description,
        correlation_id=payment.correlation_id,
        occurred_at=payment.completed_at,
    )

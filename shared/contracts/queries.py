"""Questions that need an answer now, and the answers. Asking changes nothing, except that opening a stream uses its ticket up."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import Currency, Message, Reference, Reply, UserId
from shared.contracts.payment_commands import Refused

MAX_PAGE = 500
MAX_USERS = 200
MAX_REFERENCES = 100
MAX_WAIT_SECONDS = 30.0


class GetPayment(Message):
    """A payment as `viewer` may see it. `wait_seconds` > 0: answered when it is no longer pending, or when the time is over."""

    type: Literal["get-payment.v1"] = "get-payment.v1"
    payment_id: str = Field(max_length=100)
    viewer_user_id: UserId
    viewer_is_admin: bool = False
    wait_seconds: float = Field(default=0, ge=0, le=MAX_WAIT_SECONDS)


class PaymentView(Reply):
    type: Literal["payment-view.v1"] = "payment-view.v1"
    payment_id: UUID
    session_id: UUID | None
    user_id: UserId | None
    mentor_id: UserId | None = None
    coaching_session_id: str | None = None
    order_id: UUID | None = None
    kind: str
    method: str
    status: str
    amount_minor: int
    currency: Currency
    refunded_amount_minor: int = 0
    dispute_status: str | None = Field(default=None, description="open, won or lost, once it was disputed")
    credit_reference: str | None = Field(description="wallet's reference of the credit, once completed")
    payment_url: str | None
    description: str = ""
    external_id: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    problem: Refused | None = Field(default=None, description="why it was refused, when it was refused after a 202")
    expires_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class GetTransfer(Message):
    """Has wallet committed this reference? `wait_seconds` > 0: answered as soon as it has, or when the time is over."""

    type: Literal["get-transfer.v1"] = "get-transfer.v1"
    reference: Reference
    wait_seconds: float = Field(default=0, ge=0, le=MAX_WAIT_SECONDS)


class TransferView(Reply):
    type: Literal["transfer-view.v1"] = "transfer-view.v1"
    reference: str
    posted: bool


class BalanceView(BaseModel):
    model_config = ConfigDict(frozen=True)
    user_id: UserId
    currency: Currency
    available_minor: int
    held_minor: int
    version: int
    updated_at: AwareDatetime | None


class GetBalances(Message):
    """Balances of some users (all currencies that ever moved, or one). Accounts that never moved are not in the answer."""

    type: Literal["get-balances.v1"] = "get-balances.v1"
    user_ids: tuple[UserId, ...] = Field(min_length=1, max_length=MAX_USERS)
    currency: Currency | None = None
    at: AwareDatetime | None = Field(default=None, description="as they were then; none, or to come: now")


class BalancesView(Reply):
    type: Literal["balances-view.v1"] = "balances-view.v1"
    balances: tuple[BalanceView, ...]


class ListTransfers(Message):
    """What the journal has of these references: transfers of a set, of a hold and of its end are found by the set's or the hold's own."""

    type: Literal["list-transfers.v1"] = "list-transfers.v1"
    references: tuple[Reference, ...] = Field(min_length=1, max_length=MAX_REFERENCES)


class NamedAccount(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: str = Field(description="user, held, clearing, fees, revenue, loss, suspense")
    owner: str


class EntryView(BaseModel):
    """What a transfer changed for one user. `message_id`: of the event that tells it; none when it is not kept any more (a day)."""

    model_config = ConfigDict(frozen=True)
    user_id: UserId
    version: int
    change_minor: int
    held_change_minor: int
    available_after_minor: int
    held_after_minor: int
    created_at: AwareDatetime
    message_id: UUID | None
    published_at: AwareDatetime | None


class BookedTransfer(BaseModel):
    model_config = ConfigDict(frozen=True)
    transfer_id: UUID
    reference: Reference
    kind: str
    amount_minor: int
    currency: Currency
    source: NamedAccount
    target: NamedAccount
    payment_id: UUID | None
    correlation_id: str
    created_at: AwareDatetime
    entries: tuple[EntryView, ...]


class TransfersView(Reply):
    """Oldest first."""

    type: Literal["transfers-view.v1"] = "transfers-view.v1"
    transfers: tuple[BookedTransfer, ...]


class OpenStream(Message):
    """The notifier's snapshot question; `ticket_id` is used up by it (a unique insert), over all replicas. None: a token opened it."""

    type: Literal["open-stream.v1"] = "open-stream.v1"
    user_id: UserId
    ticket_id: UUID | None
    ticket_expires_at: AwareDatetime | None


class StreamOpened(Reply):
    type: Literal["stream-opened.v1"] = "stream-opened.v1"
    granted: bool = Field(description="false: the ticket was used before")
    balances: tuple[BalanceView, ...]


class ListTransactions(Message):
    """Changes of a user's available balance, newest first. `cursor` is wallet's own, opaque; `skip` is the other way to page."""

    type: Literal["list-transactions.v1"] = "list-transactions.v1"
    user_id: UserId
    currency: Currency | None = None
    kind: str | None = Field(default=None, max_length=32)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=20, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, max_length=4000)
    skip: int = Field(default=0, ge=0, le=100_000)


class TransactionView(BaseModel):
    model_config = ConfigDict(frozen=True)
    id: UUID
    kind: str
    amount_minor: int = Field(description="signed")
    currency: Currency
    balance_after_minor: int
    version: int
    payment_id: UUID | None
    description: str
    created_at: AwareDatetime


class TransactionPage(Reply):
    type: Literal["transaction-page.v1"] = "transaction-page.v1"
    items: tuple[TransactionView, ...]
    next_cursor: str | None


class GetPaymentsHealth(Message):
    type: Literal["get-payments-health.v1"] = "get-payments-health.v1"


class GetWalletHealth(Message):
    type: Literal["get-wallet-health.v1"] = "get-wallet-health.v1"


class GetNotifierHealth(Message):
    type: Literal["get-notifier-health.v1"] = "get-notifier-health.v1"


class HealthView(Reply):
    type: Literal["health-view.v1"] = "health-view.v1"
    service: str
    ready: bool
    checks: dict[str, str] = Field(description="each dependence: 'ok' or what is wrong, in a few words")

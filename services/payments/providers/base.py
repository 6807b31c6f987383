"""What payments asks of a provider, and the answers it understands; only an explicit answer means success or failure.

A provider's operations are protocols of their own: what an adapter does not implement, the provider cannot do, and nobody pretends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from services.payments.domain.capabilities import AmountRange, Capabilities
from services.payments.domain.facts import Closed, Declined, Fact, Paid
from services.payments.domain.payments import Payment
from shared.money import Money


@dataclass(frozen=True, slots=True)
class Payer:
    """How the payer can be reached, as far as they have said so; for the provider's receipt, or its page. Personal data: never logged."""

    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the session; the payer goes on at `payment_url` until `expires_at`. `provider_reference`: the provider's own name of
    it, where it has one from the beginning; `client_secret`: with it the payer's browser, and nobody else, may finish the payment."""

    payment_url: str
    expires_at: datetime
    provider_reference: str | None = None
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider will not take this payment; `reason` may be shown to its maker. Nothing exists there that could be paid."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The provider refused to serve before any effect (too many requests, bad credentials): the same request may be made again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or one that does not tell (timeout, 5xx): asked again until it is known."""


@dataclass(frozen=True, slots=True)
class Open:
    """The session is there and nobody has paid or ended it; `expired`: nobody can any more; `being_paid`: the payer has done their part,
    and the bank decides later."""

    expired: bool
    being_paid: bool = False


@dataclass(frozen=True, slots=True)
class BeingPaid:
    """The payer has done their part, so the session cannot be ended; it is open until the provider tells."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """Nobody has paid the session, and nobody can any more; `still_payable`: the provider cannot end sessions, so only our side is closed,
    and it is asked for a day more whether somebody has paid all the same."""

    still_payable: bool = False


Created = Accepted | Rejected | Unavailable | Unknown
Told = Paid | Declined | Closed | Open | Unknown
Ended = Canceled | Paid | Declined | Closed | BeingPaid | Unknown


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A webhook event read by its provider's adapter: its id (the provider's own, unique there) and what it says."""

    event_id: str
    fact: Fact


class Provider(Protocol):
    """An adapter. It knows the provider's words and nothing of our tables, except for the mock, whose book lies in them."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do; what it cannot is refused before it is asked."""
        ...

    @property
    def currencies(self) -> Mapping[str, AmountRange]:
        """What it takes: currency -> sums, in minor units."""
        ...

    @property
    def questions_per_minute(self) -> int | None:
        """How often the reconcilers of all replicas together may ask it; None: it sets no limit that they could reach."""
        ...

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        """Opens the session `payment.session_id` at the provider. Asked again for the same session (`again`: it may be there already), it
        answers the same; there is never a second one. The sum is within `currencies`."""
        ...

    async def find(self, payment: Payment) -> Told:
        """What the provider says of the payment's session now, asked by our own reference or by payment.provider_reference. Not called
        where capabilities.status is false."""
        ...

    async def cancel(self, payment: Payment) -> Ended:
        """Ends the session, so that nobody can pay it any more; Paid when somebody has. A provider that cannot end sessions says
        Canceled(still_payable=True): then only our side is closed, and money that comes all the same is credited."""
        ...

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """The event in `body`, whose signature the gateway has verified; `headers` are those that it kept. Permanent (errors.py) when it
        cannot be read. What is not about anything of ours, or of a type that says nothing to us, is Irrelevant."""
        ...


# ---- money back to the payer


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """`refund_id` is the refund's key at the provider: the same order again is the same refund there. `provider_reference`: the provider's
    own name of it, once it has told. `sent_at`: when it was first sent there."""

    refund_id: UUID
    payment_id: UUID
    session_id: UUID
    charge_reference: str
    money: Money
    reason: str
    provider_reference: str | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundAccepted:
    """The provider has it under `provider_reference`; `settled`: and the money is on its way to the payer. Not settled: it tells later."""

    provider_reference: str
    settled: bool


@dataclass(frozen=True, slots=True)
class RefundDeclined:
    """The provider will not do it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoSuchRefund:
    """The provider tells that it has none under this key, not even one that failed: no request for it has ever arrived."""


RefundAnswer = RefundAccepted | RefundDeclined | Unknown
FoundRefund = RefundAnswer | NoSuchRefund


class Refunds(Protocol):
    """Sends money of a charge back."""

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        """Asks for the refund; the same order again gives the same answer, never a second refund."""
        ...

    async def find_refund(self, order: RefundOrder) -> FoundRefund:
        """What the provider says of it now. Unknown, too, when it does not tell for sure whether it has heard of it: then it is sent again
        under the same key, but only while the key is remembered there; NoSuchRefund is sent at any time."""
        ...


# ---- money out to a user


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """`withdrawal_id` is the payout's key at the provider."""

    withdrawal_id: UUID
    money: Money
    destination: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PaidOut:
    provider_reference: str


@dataclass(frozen=True, slots=True)
class PayoutDeclined:
    """The provider will not do it; nothing has left."""

    reason: str


@dataclass(frozen=True, slots=True)
class PayoutTaken:
    """The provider has it, and tells later what becomes of it: it is asked about, and not sent again."""


PayoutAnswer = PaidOut | PayoutDeclined | PayoutTaken | Unknown


class Payouts(Protocol):
    """Sends money out to users' own accounts."""

    @property
    def name(self) -> str: ...

    async def pay_out(self, order: PayoutOrder) -> PayoutAnswer:
        """Asks for the payout; the same order again gives the same answer, never a second payout."""
        ...

    async def find_payout(self, order: PayoutOrder) -> PayoutAnswer:
        """What the provider says of it now; Unknown while it does not tell."""
        ...


# ---- what the provider says happened on a day, to compare our book with


class NotStated(Exception):
    """The provider stopped answering before its list was at its end: what came so far is not all of it."""


@dataclass(frozen=True, slots=True)
class StatedCharge:
    """A charge as the provider lists it. `session_id`: our reference, none where it carries none of ours (somebody else's, who shares the
    account). `money`: what was received when it is paid, else what is asked for. `refunded_minor` is back with the payer; none: this list
    does not tell, the refunds' does."""

    session_id: UUID | None
    charge_reference: str
    money: Money
    status: Literal["paid", "pending", "closed"]
    created_at: datetime
    refunded_minor: int | None = None


@dataclass(frozen=True, slots=True)
class StatedRefund:
    """A refund as the provider lists it. `refund_id`: the one that we sent along; none: made at the provider's own site."""

    refund_id: UUID | None
    provider_reference: str
    charge_reference: str | None
    money: Money
    status: Literal["pending", "succeeded", "failed"]
    created_at: datetime


class Statements(Protocol):
    """Lists what the provider has, by when it was made there: from `since` on, and before `until`. For an operator's comparison, never for
    deciding what has become of a payment. NotStated when the provider does not answer."""

    @property
    def name(self) -> str: ...

    def charges(self, since: datetime, until: datetime) -> AsyncIterator[StatedCharge]: ...

    def refunds(self, since: datetime, until: datetime) -> AsyncIterator[StatedRefund]: ...

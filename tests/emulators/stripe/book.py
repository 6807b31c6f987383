"""Stripe's own book of one account: pure, in memory, telling its events to whoever made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.emulators.stripe.account import Account, Emit, Manners
from tests.emulators.stripe.checkout import Checkout
from tests.emulators.stripe.disputes import Disputes
from tests.emulators.stripe.intents import Intents
from tests.emulators.stripe.objects import Charge, Json
from tests.emulators.stripe.payouts import Payouts
from tests.emulators.stripe.refunds import Refunds


@dataclass(frozen=True, slots=True)
class ChargeEntry:
    """`reference`: the payment intent. `amount_minor`: captured, in Stripe's minor units. `metadata`: as the merchant gave it."""

    reference: str
    charge: str
    amount_minor: int
    refunded_minor: int
    currency: str
    status: str
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class RefundEntry:
    refund: str
    charge: str
    reference: str
    amount_minor: int
    currency: str
    status: str
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class DisputeEntry:
    """`withdrawn`: the money has left the merchant's balance."""

    dispute: str
    charge: str
    reference: str
    amount_minor: int
    currency: str
    status: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class PayoutEntry:
    payout: str
    amount_minor: int
    currency: str
    status: str


class Book:
    """The account's parts, and the lists by which another book is compared with it."""

    def __init__(
        self,
        *,
        emit: Emit,
        now: Callable[[], int],
        later: Callable[[float, Callable[[], None]], None] = lambda *_: None,
        address: Callable[[], str] = str,
        manners: Manners | None = None,
    ) -> None:
        self._emit = emit
        self.account = Account(emit=self._told, now=now, later=later, address=address, manners=manners or Manners())
        self.disputes = Disputes(self.account)
        self.intents = Intents(self.account, self._disputed)
        self.refunds = Refunds(self.account)
        self.payouts = Payouts(self.account)
        self.checkout = Checkout(self.account, self.intents)

    def charge_entries(self) -> list[ChargeEntry]:
        """Money that was taken: failed, pending and uncaptured charges are not in it."""
        taken = [charge for charge in self.account.charges.oldest_first() if charge.captured]
        return [
            ChargeEntry(one.intent, one.id, one.captured_minor, one.refunded_minor, one.currency, one.status, dict(one.metadata))
            for one in taken
        ]

    def refund_entries(self) -> list[RefundEntry]:
        """Without the ends of authorisations, where no money moved."""
        refunds = [one for one in self.account.refunds.oldest_first() if not one.releases]
        return [RefundEntry(one.id, one.charge, one.intent, one.amount, one.currency, one.status, dict(one.metadata)) for one in refunds]

    def dispute_entries(self) -> list[DisputeEntry]:
        disputes = self.account.disputes.oldest_first()
        return [DisputeEntry(one.id, one.charge, one.intent, one.amount, one.currency, one.status, one.withdrawn) for one in disputes]

    def payout_entries(self) -> list[PayoutEntry]:
        return [PayoutEntry(one.id, one.amount, one.currency, one.status) for one in self.account.payouts.oldest_first()]

    def _told(self, kind: str, shown: Json, previous: Json | None = None) -> None:
        self._emit(kind, shown, previous)
        if kind in ("payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed"):
            self.checkout.heard(kind, shown["id"])

    def _disputed(self, charge: Charge, inquiry: bool) -> None:
        self.disputes.open(charge, None, inquiry=inquiry)

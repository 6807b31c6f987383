"""What payers, banks and the gateway's own staff do, for tests to call; the same over HTTP at `/_emulator/control/{name}`.

A `reference` is the merchant's merchantTransactionId, or a uuid of the gateway's; an amount is text in major units, or an integer in
minor ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, get_args, get_type_hints

from tests.emulators.allsecure.amounts import minor_units
from tests.emulators.allsecure.connectors import Behaviour, Limits
from tests.emulators.allsecure.gateway import Gateway
from tests.emulators.allsecure.payer import Choice, choose
from tests.emulators.allsecure.transactions import METHODS, Kind, Status, Transaction
from tests.emulators.allsecure.views import (
    Charge,
    Dispute,
    Payout,
    Refund,
    charge_of,
    dispute_of,
    of_kinds,
    payout_of,
    refund_of,
)

ACTIONS: Final = (
    *("pay", "decline", "cancel", "require_3ds", "pend", "close", "expire", "settle", "page_url"),
    *("refund_elsewhere", "fail_refund", "fail_payout", "dispute"),
    *("outcome", "behave", "limit", "charges", "refunds", "disputes", "payouts"),
)
_CHARGEBACKS: Final = {
    "chargeback": Kind.CHARGEBACK,
    "opened": Kind.CHARGEBACK,
    "reversal": Kind.CHARGEBACK_REVERSAL,
    "won": Kind.CHARGEBACK_REVERSAL,
}


class Control:
    """Every method tells the merchant at once, unless behaviour.callbacks is "never". LookupError: no such transaction, or two
    connectors have one; IllegalMove: its state does not allow this; ValueError: no such amount, outcome or setting."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def pay(self, reference: str) -> Charge:
        """The payer pays at the hosted page; where 3-D Secure is required, passes it."""
        after = self._choose(reference, "pay")
        return self._charge(after) if after.status is not Status.REDIRECT else self._charge(self._choose(reference, "pass_3ds"))

    async def decline(self, reference: str, outcome: str = "declined") -> Charge:
        """The bank declines; `outcome`: any name of a failure (declined, insufficient_funds, soft_decline, expired, adapter …)."""
        return self._charge(self._settled(self._find(reference), outcome))

    async def cancel(self, reference: str) -> Charge:
        """The payer goes back to the shop."""
        return self._charge(self._choose(reference, "cancel"))

    async def require_3ds(self, reference: str, passes: bool = True) -> Charge:
        """The payer pays, the bank asks for 3-D Secure, and the payer passes it or not."""
        self._choose(reference, "pay_3ds")
        return self._charge(self._choose(reference, "pass_3ds" if passes else "fail_3ds"))

    async def pend(self, reference: str) -> Charge:
        """The payer pays, and the bank decides later: `settle`."""
        return self._charge(self._choose(reference, "pending"))

    async def close(self, reference: str) -> Charge:
        """The payer closes the window: nothing is decided, nothing is told."""
        return self._charge(self._choose(reference, "close"))

    async def expire(self, reference: str) -> Charge:
        """Nobody came to pay in time."""
        return self._charge(self._settled(self._find(reference), "expired"))

    async def settle(self, reference: str, outcome: str = "success") -> str:
        """What was pending (a payment, a refund, a payout …) comes to "success" or the failure named; its new transactionStatus."""
        return self._settled(self._find(reference), outcome).status.value

    async def page_url(self, reference: str) -> str | None:
        """The hosted page, as redirectUrl told it."""
        return self._gateway.redirect_url(self._find(reference))

    async def refund_elsewhere(self, charge: str, amount: str | int | None = None) -> Refund:
        """The merchant's staff refunds at the gateway's own site; None: all that is left."""
        found = self._find(charge)
        book = self._gateway.book
        left = found.amount_minor - book.refunded_minor(found.uuid) - book.charged_back_minor(found.uuid)
        refund = book.refund_by_gateway(found.uuid, _minor(amount, found, left))
        self._tell(refund)
        return refund_of(refund)

    async def fail_refund(self, refund: str) -> Refund:
        """A refund that is pending, or had succeeded, fails."""
        return refund_of(self._failed(refund, Kind.REFUND))

    async def fail_payout(self, payout: str) -> Payout:
        """A payout that is pending, or had succeeded, fails: the card's bank sent it back."""
        return payout_of(self._failed(payout, Kind.PAYOUT))

    async def dispute(
        self, charge: str, event: str = "chargeback", amount: str | int | None = None, reason: str = "Fraudulent transaction"
    ) -> Dispute:
        """`event`: "chargeback" (or "opened") of the amount, None: of what is left of the charge; "reversal" (or "won") of the newest
        chargeback that stands. One that is lost is not told again. Each is a transaction of its own, with an id `auto-…`."""
        found = self._find(charge)
        book = self._gateway.book
        kind = _CHARGEBACKS.get(event)
        if kind is None:
            raise ValueError(f"event is one of {', '.join(_CHARGEBACKS)}")
        if kind is Kind.CHARGEBACK:
            left = found.amount_minor - book.refunded_minor(found.uuid) - book.charged_back_minor(found.uuid)
            transaction = book.charge_back(found.uuid, _minor(amount, found, left), reason)
        else:
            reversed_before = {one.chargeback for one in book.about(found.uuid, Kind.CHARGEBACK_REVERSAL)}
            standing = [one for one in book.about(found.uuid, Kind.CHARGEBACK) if one.uuid not in reversed_before]
            if not standing:
                raise LookupError(f"{charge} has no chargeback to reverse")
            transaction = book.reverse_chargeback(standing[-1].uuid, reason)
        self._tell(transaction)
        return dispute_of(transaction)

    async def outcome(self, operation: str, outcome: str, times: int | None = 1) -> None:
        """What comes of the next calls of this operation (refund, payout, capture …; debits by token or stored card) that no payer
        decides on: "success", "pending" or a failure's name. `times`: None for all from now on."""
        if operation not in METHODS:
            raise ValueError(f"operation is one of {', '.join(METHODS)}")
        self._gateway.book.choose(METHODS[operation], outcome, times=times)

    async def behave(self, **settings: Any) -> None:
        """Changes fields of Behaviour."""
        _known(Behaviour, settings)
        for name, value in settings.items():
            setattr(self._gateway.behaviour, name, value)

    async def limit(self, **settings: Any) -> None:
        """Changes fields of Limits, and forgets what was asked before."""
        _known(Limits, settings)
        self._gateway.set_limits(replace(self._gateway.limits, **settings))

    def charges(self) -> list[Charge]:
        """Money that was taken: debits and captures that succeeded."""
        book = self._gateway.book
        return [charge_of(book, one) for one in of_kinds(book, Kind.DEBIT, Kind.CAPTURE, taken=True)]

    def refunds(self) -> list[Refund]:
        """All, whatever became of them."""
        return [refund_of(one) for one in of_kinds(self._gateway.book, Kind.REFUND)]

    def disputes(self) -> list[Dispute]:
        return [dispute_of(one) for one in of_kinds(self._gateway.book, Kind.CHARGEBACK, Kind.CHARGEBACK_REVERSAL)]

    def payouts(self) -> list[Payout]:
        """All, whatever became of them."""
        return [payout_of(one) for one in of_kinds(self._gateway.book, Kind.PAYOUT)]

    def _find(self, reference: str) -> Transaction:
        book = self._gateway.book
        found = [one for connector in self._gateway.connectors if (one := book.find(connector, reference)) is not None]
        by_uuid = book.get(reference)
        if not found and by_uuid is not None:
            return by_uuid
        if len(found) != 1:
            raise LookupError(f"{len(found)} transactions are called {reference}")
        return found[0]

    def _charge(self, transaction: Transaction) -> Charge:
        return charge_of(self._gateway.book, transaction)

    def _choose(self, reference: str, choice: Choice) -> Transaction:
        before = self._find(reference)
        after = choose(self._gateway.book, before, choice)
        if after.status is not before.status:
            self._tell(after)
        return after

    def _settled(self, transaction: Transaction, outcome: str) -> Transaction:
        after = self._gateway.book.settle(transaction.uuid, outcome)
        self._tell(after)
        return after

    def _failed(self, reference: str, kind: Kind) -> Transaction:
        found = self._find(reference)
        if found.kind is not kind:
            raise LookupError(f"{reference} is a {found.kind}")
        if found.status is Status.PENDING:
            return self._settled(found, "adapter")
        after = self._gateway.book.overturn(found.uuid)
        self._tell(after)
        return after

    def _tell(self, transaction: Transaction) -> None:
        if self._gateway.behaviour.callbacks != "never":
            self._gateway.tell(transaction)


def _minor(amount: str | int | None, charge: Transaction, left_minor: int) -> int:
    if amount is None:
        return left_minor
    return amount if isinstance(amount, int) else minor_units(amount, charge.request.currency or "")


def _known(kind: type[Behaviour] | type[Limits], settings: dict[str, Any]) -> None:
    hints = get_type_hints(kind)
    for name, value in settings.items():
        if name not in hints:
            raise ValueError(f"no setting is called {name!r}; there are {', '.join(hints)}")
        choices = get_args(hints[name])
        if str in map(type, choices) and value not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}")

"""Payouts (https://docs.stripe.com/payouts): from the account's balance to the merchant's own bank, where `paid` is not the last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.emulators.stripe import amounts
from tests.emulators.stripe.account import Account, before_of
from tests.emulators.stripe.errors import Refusal
from tests.emulators.stripe.objects import new_id
from tests.emulators.stripe.outgoing import Payout
from tests.emulators.stripe.parameters import merge_metadata

_MOVES: Final = {"in_transit": ("pending",), "paid": ("pending", "in_transit"), "failed": ("pending", "in_transit", "paid")}


class Payouts:
    def __init__(self, account: Account) -> None:
        self._account = account

    def create(self, params: Mapping[str, Any]) -> Payout:
        """Refusal: balance_insufficient."""
        amount, currency = params["amount"], params["currency"]
        amounts.check_currency(currency)
        amounts.check_payout(amount, currency)
        if self._account.balance[currency] < amount:
            message = "You have insufficient funds in your Stripe account for this transfer."
            raise Refusal(400, message, code="balance_insufficient", param="amount")
        self._account.balance[currency] -= amount
        payout = self._account.payouts.put(
            Payout(
                id=new_id("po_"),
                amount=amount,
                currency=currency,
                created=self._account.now(),
                method=params.get("method", "standard"),
                description=params.get("description"),
                statement_descriptor=params.get("statement_descriptor"),
                metadata=merge_metadata({}, params.get("metadata", {})),
            )
        )
        self._account.emit("payout.created", payout.view())
        return payout

    def update(self, payout: Payout, params: Mapping[str, Any]) -> Payout:
        before = payout.view()
        payout.metadata = merge_metadata(payout.metadata, params.get("metadata", {}))
        self._account.emit("payout.updated", payout.view(), before_of(before, payout.view()))
        return payout

    def cancel(self, payout: Payout) -> Payout:
        """Refusal: no longer pending."""
        if payout.status != "pending":
            raise Refusal(400, f"Payouts can only be canceled while pending; this one is {payout.status}.", code="payout_not_cancelable")
        payout.status = "canceled"
        self._account.emit("payout.canceled", payout.view())
        self._account.credit(payout.currency, payout.amount)
        return payout

    def move(self, payout: Payout, status: str) -> Payout:
        """The banks go on: in_transit, paid, failed (after paid too). ValueError: not from where it is."""
        if payout.status not in _MOVES.get(status, ()):
            raise ValueError(f"{payout.status} does not become {status}")
        before = payout.view()
        payout.status = status
        if status == "failed":
            payout.failure_code = "account_closed"
        self._account.emit("payout.updated", payout.view(), before_of(before, payout.view()))
        if status != "in_transit":
            self._account.emit(f"payout.{status}", payout.view())
        if status == "failed":
            self._account.credit(payout.currency, payout.amount)
        return payout

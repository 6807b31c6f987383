"""Refunds (https://docs.stripe.com/refunds): within what was captured, pending on an empty balance, and able to fail after success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.emulators.stripe import amounts
from tests.emulators.stripe.account import Account, before_of
from tests.emulators.stripe.errors import Invalid, Refusal, missing, wrong_state
from tests.emulators.stripe.objects import Charge, Json, new_id
from tests.emulators.stripe.outgoing import Refund
from tests.emulators.stripe.parameters import merge_metadata

FAILURE_REASONS: Final = (
    *("charge_for_pending_refund_disputed", "declined", "expired_or_canceled_card", "insufficient_funds"),
    *("lost_or_stolen_card", "merchant_request", "unknown"),
)
_WAITS_FOR_MONEY: Final = "insufficient_funds"


class Refunds:
    def __init__(self, account: Account) -> None:
        self._account = account
        account.on_credit = self._go_on

    def create(self, params: Mapping[str, Any]) -> Refund:
        """Refusal: nothing to refund, too much, or disputed."""
        charge = self._charge(params)
        amount = params.get("amount", charge.refundable_minor)
        if charge.disputed:
            raise Refusal(400, f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed")
        if charge.refundable_minor == 0:
            raise Refusal(400, f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
        amounts.check_part(amount, charge.currency)
        if amount > charge.refundable_minor:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({charge.refundable_minor})"
            raise Refusal(400, message, param="amount")
        before = charge.view()
        charge.refunded_minor += amount
        refund = self._account.refunds.put(
            Refund(
                id=new_id("re_"),
                charge=charge.id,
                intent=charge.intent,
                amount=amount,
                currency=charge.currency,
                created=self._account.now(),
                reason=params.get("reason"),
                metadata=merge_metadata({}, params.get("metadata", {})),
            )
        )
        sequel = charge.method.does.sequel
        if self._account.balance[refund.currency] < amount:
            refund.pending_reason = _WAITS_FOR_MONEY
        else:
            self._account.balance[refund.currency] -= amount
            if sequel == "refund_pending":
                refund.pending_reason = "processing"
                self._account.in_time(lambda: self._settle_if_pending(refund))
            else:
                refund.status = "succeeded"
        if sequel == "refund_fails":
            self._account.in_time(lambda: self._fail_if_not(refund))
        self._account.emit("refund.created", refund.view())
        self._account.emit("charge.refunded", charge.view(), before_of(before, charge.view()))
        return refund

    def update(self, refund: Refund, params: Mapping[str, Any]) -> Refund:
        before = refund.view()
        refund.metadata = merge_metadata(refund.metadata, params.get("metadata", {}))
        self._tell_update(refund, before)
        return refund

    def cancel(self, refund: Refund) -> Refund:
        """Refusal: only one that waits for the payer's data could be, and cards never do."""
        raise Refusal(400, f"Refund {refund.id} cannot be canceled because it has a status of {refund.status}.")

    def settle(self, refund: Refund) -> Refund:
        """A pending one succeeds. ValueError: it is not pending, or its money is not there."""
        if refund.status != "pending":
            raise ValueError(f"the refund is {refund.status}")
        before = refund.view()
        if refund.pending_reason == _WAITS_FOR_MONEY:
            if self._account.balance[refund.currency] < refund.amount:
                raise ValueError("the balance does not suffice")
            self._account.balance[refund.currency] -= refund.amount
        refund.status, refund.pending_reason = "succeeded", None
        self._tell_update(refund, before)
        return refund

    def fail(self, refund: Refund, reason: str) -> Refund:
        """The bank gives the money back, also after success. ValueError: it has failed already, or no such reason."""
        if reason not in FAILURE_REASONS:
            raise ValueError(f"one of {', '.join(FAILURE_REASONS)}")
        if refund.status not in ("pending", "succeeded") or refund.releases:
            raise ValueError(f"the refund is {refund.status}")
        before, had_left = refund.view(), refund.pending_reason != _WAITS_FOR_MONEY
        charge = self._account.charges.get(refund.charge)
        charge.refunded_minor -= refund.amount
        refund.status, refund.pending_reason, refund.failure_reason = "failed", None, reason
        refund.failure_transaction = new_id("txn_")
        self._tell_update(refund, before)
        self._account.emit("refund.failed", refund.view())
        if had_left:
            self._account.credit(refund.currency, refund.amount)
        return refund

    def _charge(self, params: Mapping[str, Any]) -> Charge:
        if ("charge" in params) == ("payment_intent" in params):
            raise Invalid("You must pass exactly one of charge and payment_intent.", code="parameter_missing", param="payment_intent")
        if "payment_intent" in params:
            intent = self._account.intents.get(params["payment_intent"], "payment_intent")
            if intent.status != "succeeded" or intent.latest_charge is None:
                raise wrong_state(f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.")
            return self._account.charges.get(intent.latest_charge)
        charge = self._account.charges.get(params["charge"], "charge")
        if charge.status != "succeeded" or not charge.captured:
            raise missing("charge", charge.id, "charge") if charge.status == "failed" else Refusal(400, "The charge was not captured.")
        return charge

    def _tell_update(self, refund: Refund, before: Json) -> None:
        changed = before_of(before, refund.view())
        self._account.emit("refund.updated", refund.view(), changed)
        self._account.emit("charge.refund.updated", refund.view(), changed)

    def _settle_if_pending(self, refund: Refund) -> None:
        if refund.status == "pending":
            self.settle(refund)

    def _fail_if_not(self, refund: Refund) -> None:
        if refund.status in ("pending", "succeeded"):
            self.fail(refund, "expired_or_canceled_card")

    def _go_on(self, currency: str) -> None:
        """Money has come: refunds that waited for it succeed, the oldest first."""
        for refund in self._account.refunds.oldest_first():
            waits = refund.status == "pending" and refund.pending_reason == _WAITS_FOR_MONEY and refund.currency == currency
            if waits and self._account.balance[currency] >= refund.amount:
                self.settle(refund)

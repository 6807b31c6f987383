"""Disputes (https://docs.stripe.com/disputes): money moves when it is withdrawn or reinstated, not when a dispute opens or closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.emulators.stripe.account import Account, before_of
from tests.emulators.stripe.errors import Refusal
from tests.emulators.stripe.objects import Charge, Json, new_id
from tests.emulators.stripe.outgoing import Dispute
from tests.emulators.stripe.parameters import merge_metadata

EVENTS: Final = ("open", "inquire", "escalate", "review", "win", "lose", "close_inquiry", "prevent")
_OPEN: Final = ("needs_response", "under_review")
_INQUIRIES: Final = ("warning_needs_response", "warning_under_review")


class Disputes:
    def __init__(self, account: Account) -> None:
        self._account = account

    def happens(self, charge: Charge, event: str, amount: int | None) -> Dispute:
        """What the payer's bank does next about a charge. ValueError: it cannot, as things are.

        open: a chargeback, its funds withdrawn. inquire: a question only. escalate: a question becomes a chargeback. review: evidence
        is looked at. win: closed, funds reinstated. lose: closed. close_inquiry: closed, nothing ever moved. prevent: closed before any
        money moved.
        """
        match event:
            case "open" | "inquire":
                return self.open(charge, amount, inquiry=event == "inquire")
            case "escalate":
                dispute = self._of(charge, _INQUIRIES)
                if dispute.amount > charge.refundable_minor:
                    raise ValueError("what was asked about has been refunded since")
                self._change(dispute, "needs_response", "charge.dispute.updated")
                self._withdraw(dispute)
            case "review":
                dispute = self._of(charge, ("needs_response", "warning_needs_response"))
                self._review(dispute)
            case "win":
                dispute = self._of(charge, _OPEN)
                self._change(dispute, "won", "charge.dispute.closed")
                self._reinstate(dispute)
            case "lose":
                dispute = self._of(charge, _OPEN)
                self._change(dispute, "lost", "charge.dispute.closed")
            case "close_inquiry" | "prevent":
                dispute = self._of(charge, _INQUIRIES)
                charge.disputed = False
                self._change(dispute, "warning_closed" if event == "close_inquiry" else "prevented", "charge.dispute.closed")
            case _:
                raise ValueError(f"one of {', '.join(EVENTS)}")
        return dispute

    def open(self, charge: Charge, amount: int | None, *, inquiry: bool) -> Dispute:
        """ValueError: nothing left of the charge, or disputed already."""
        amount = charge.refundable_minor if amount is None else amount
        if not 0 < amount <= charge.refundable_minor:
            raise ValueError("a dispute is about money that was captured and not refunded")
        if any(one.charge == charge.id for one in self._account.disputes.oldest_first()):
            raise ValueError("the charge is disputed already, or was")
        dispute = self._account.disputes.put(
            Dispute(
                id=new_id("du_"),
                charge=charge.id,
                intent=charge.intent,
                amount=amount,
                currency=charge.currency,
                created=self._account.now(),
                reason="fraudulent",
                status="warning_needs_response" if inquiry else "needs_response",
            )
        )
        charge.disputed = not inquiry
        self._account.emit("charge.dispute.created", dispute.view())
        if not inquiry:
            self._withdraw(dispute)
        return dispute

    def update(self, dispute: Dispute, params: Mapping[str, Any]) -> Dispute:
        """Refusal: closed."""
        if dispute.status not in (*_OPEN, *_INQUIRIES):
            raise Refusal(400, f"This dispute is already closed: it has a status of {dispute.status}.")
        before = dispute.view()
        dispute.metadata = merge_metadata(dispute.metadata, params.get("metadata", {}))
        dispute.evidence = dispute.evidence | params.get("evidence", {})
        if params.get("submit") and dispute.status in ("needs_response", "warning_needs_response"):
            self._review(dispute)
        else:
            self._account.emit("charge.dispute.updated", dispute.view(), before_of(before, dispute.view()))
        return dispute

    def close(self, dispute: Dispute) -> Dispute:
        """The merchant gives in. Refusal: closed."""
        if dispute.status not in _OPEN:
            raise Refusal(400, f"This dispute cannot be closed: it has a status of {dispute.status}.")
        self._change(dispute, "lost", "charge.dispute.closed")
        return dispute

    def _review(self, dispute: Dispute) -> None:
        dispute.submissions += 1
        self._change(dispute, "warning_under_review" if dispute.is_inquiry else "under_review", "charge.dispute.updated")

    def _of(self, charge: Charge, statuses: tuple[str, ...]) -> Dispute:
        for dispute in self._account.disputes.oldest_first():
            if dispute.charge == charge.id and dispute.status in statuses:
                return dispute
        raise ValueError(f"the charge has no dispute that is {' or '.join(statuses)}")

    def _change(self, dispute: Dispute, status: str, kind: str) -> None:
        before: Json = dispute.view()
        dispute.status = status
        self._account.emit(kind, dispute.view(), before_of(before, dispute.view()) if kind.endswith(".updated") else None)

    def _withdraw(self, dispute: Dispute) -> None:
        self._account.charges.get(dispute.charge).disputed = True
        dispute.withdrawn = True
        self._account.balance[dispute.currency] -= dispute.amount
        self._account.emit("charge.dispute.funds_withdrawn", dispute.view())

    def _reinstate(self, dispute: Dispute) -> None:
        dispute.withdrawn = False
        self._account.emit("charge.dispute.funds_reinstated", dispute.view())
        self._account.credit(dispute.currency, dispute.amount)

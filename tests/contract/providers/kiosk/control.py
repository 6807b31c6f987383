"""What payers and Kiosk's own people do, for tests to call; the same over HTTP at `/_emulator/control/{name}`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from tests.contract.providers.kiosk.book import Book, Dispute, DisputeState, Payment, Refund, RefundState, read_amount

if TYPE_CHECKING:
    from tests.contract.providers.kiosk.emulator import KioskEmulator

ACTIONS: Final = (
    *("pay", "decline", "cancel", "require_3ds", "close", "next_refund", "end_refund", "refund_elsewhere", "fail_refund", "dispute"),
    *("charges", "refunds", "disputes"),
)

_NEXT_MAX: Final = 1_000
_CAME_BACK: Final = "the payer's bank sent it back"


@dataclass(frozen=True, slots=True)
class Charge:
    """What was paid, of that what went back, and what disputes hold; as Kiosk writes amounts."""

    reference: str
    charge: str
    amount: str
    currency: str
    refunded: str
    disputed: str


class Control:
    """`reference` is the shop's, `charge` the payment's id, `refund` the refund's id. No: Kiosk would not do that now."""

    def __init__(self, emulator: KioskEmulator) -> None:
        self._emulator = emulator
        self._next: deque[RefundState] = deque(maxlen=_NEXT_MAX)

    async def pay(self, reference: str) -> None:
        payment = self._book.pay(self._book.payment(reference), self._emulator.now())
        self._emulator.notify("payment.paid", payment, payment)

    async def decline(self, reference: str) -> None:
        """The bank declines this attempt."""
        payment = self._book.send_to_bank(self._book.payment(reference), at_bank=False)
        self._emulator.notify("payment.declined", payment, payment)

    async def cancel(self, reference: str) -> None:
        """The payer goes back to the shop for good."""
        payment, ended = self._book.cancel(reference, self._emulator.now())
        if ended:
            self._emulator.notify("payment.cancelled", payment, payment)

    async def require_3ds(self, reference: str, passes: bool = True) -> None:
        """The bank asks the payer, who passes or not."""
        self._book.send_to_bank(self._book.payment(reference), at_bank=True)
        await (self.pay(reference) if passes else self.decline(reference))

    async def close(self, reference: str) -> None:
        """The payer closes the window: nothing happens, nothing is told."""
        self._book.payment(reference)

    async def next_refund(self, state: RefundState) -> None:
        """What the next refund is at first, in place of done; pending ones end by `end_refund`."""
        self._next.append(state)

    async def end_refund(self, refund: str, state: Literal["done", "failed"] = "done") -> Refund:
        """What was pending ends so; or what was done comes back."""
        ended = self._book.end_refund(self._book.refunds[refund], state, _CAME_BACK if state == "failed" else "", self._emulator.now())
        self._tell(ended)
        return ended

    async def fail_refund(self, refund: str) -> Refund:
        return await self.end_refund(refund, "failed")

    async def refund_elsewhere(self, charge: str, amount: str | None = None) -> Refund:
        """At Kiosk's own site, without a reference of the shop; None: all that is left."""
        payment = self._book.payments[charge]
        sum_ = self._book.left(payment) if amount is None else read_amount(amount, payment.currency)
        return self.make_refund(payment, sum_, None)[0]

    async def dispute(self, charge: str, event: DisputeState) -> Dispute:
        payment = self._book.payments[charge]
        told = self._book.dispute(payment, event, self._emulator.now())
        self._emulator.notify(f"dispute.{event}", payment, told)
        return told

    def make_refund(self, payment: Payment, amount: Decimal, reference: str | None) -> tuple[Refund, bool]:
        """The refund, and whether it is new; one that has ended already is told as well."""
        state: RefundState = "done"
        if reference is not None and self._next and all(one.reference != reference for one in self._book.refunds.values()):
            state = self._next.popleft()
        reason = "declined by the bank" if state == "failed" else ""
        asked = Refund(
            *(self._book.next_id("refund"), reference, payment.id, amount, payment.currency, state, reason), self._emulator.now()
        )
        refund, is_new = self._book.refund(asked)
        if is_new and refund.state != "pending":
            self._tell(refund)
        return refund, is_new

    def charges(self) -> list[Charge]:
        """Kiosk's own book: what was paid."""
        return [
            Charge(one.reference, one.id, str(one.amount), one.currency, str(self._book.refunded(one)), str(self._book.disputed(one)))
            for one in self._book.payments.values()
            if one.state == "paid"
        ]

    def refunds(self) -> list[dict[str, str | None]]:
        return [
            {"refund": one.id, "reference": one.reference, "charge": one.payment, "amount": str(one.amount), "state": one.state}
            for one in self._book.refunds.values()
        ]

    def disputes(self) -> list[dict[str, str]]:
        return [
            {"dispute": one.id, "charge": one.payment, "amount": str(one.amount), "state": one.state}
            for one in self._book.disputes.values()
        ]

    def _tell(self, refund: Refund) -> None:
        self._emulator.notify(f"refund.{refund.state}", self._book.payments[refund.payment], refund)

    @property
    def _book(self) -> Book:
        return self._emulator.book

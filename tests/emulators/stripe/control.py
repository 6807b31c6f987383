"""What payers, their banks and the merchant's people at Stripe's own site do; for tests, and over HTTP at /_emulator/control/{name}.

`reference` is the payment intent (pi_…). Payers of Stripe cannot cancel: they leave (`close`) and may come back while the intent lives.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from tests.emulators.stripe.book import ChargeEntry, DisputeEntry, PayoutEntry, RefundEntry
from tests.emulators.stripe.errors import Refusal
from tests.emulators.stripe.objects import Json, PaymentIntent

if TYPE_CHECKING:
    from tests.emulators.stripe.emulator import StripeEmulator

ACTIONS: Final = (
    *("pay", "decline", "require_3ds", "start_3ds", "close", "pay_slowly", "settle", "cancel_elsewhere", "pay_elsewhere"),
    *("refund_elsewhere", "fail_refund", "settle_refund", "dispute", "move_payout", "adjust_balance"),
    *("roll_secret", "set_twins", "set_manners", "advance", "resend", "resend_missed"),
    *("charges", "refunds", "disputes", "payouts", "balance"),
)
_RETURN_URL: Final = "http://127.0.0.1/after"


class Control:
    def __init__(self, emulator: StripeEmulator) -> None:
        self._emulator = emulator
        self._book = emulator.book

    async def pay(self, reference: str, method: str = "pm_card_visa") -> str:
        """The payer enters a card that pays, or passes 3-D Secure if that is being asked; the intent's status. ValueError: refused."""
        intent = self._intent(reference)
        if intent.status == "requires_action":
            return self._authenticate(intent, passes=True)
        return self._confirm(intent, method)

    async def decline(self, reference: str, method: str = "pm_card_visa_chargeDeclined") -> str:
        """The payer enters a card that is declined; the intent's status, from which it can be paid again."""
        return self._confirm(self._intent(reference), method)

    async def require_3ds(self, reference: str, passes: bool) -> str:
        """The payer's card asks for 3-D Secure, and the payer passes it or not; the intent's status."""
        intent = self._intent(reference)
        if intent.status != "requires_action":
            self._confirm(intent, "pm_card_authenticationRequired")
        return self._authenticate(intent, passes)

    async def start_3ds(self, reference: str) -> str:
        """The payer is at the bank's page; its address."""
        intent = self._intent(reference)
        self._confirm(intent, "pm_card_authenticationRequired")
        assert intent.next_action is not None
        return str(intent.next_action["redirect_to_url"]["url"])

    async def close(self, reference: str) -> None:
        """The payer closes the window: nothing happens, nothing is told."""
        self._intent(reference)

    async def pay_slowly(self, reference: str, succeeds: bool = True) -> str:
        """The payer chooses a method that takes days: processing."""
        return self._confirm(self._intent(reference), "pm_sepaDebit_success" if succeeds else "pm_sepaDebit_failed")

    async def settle(self, reference: str, succeeds: bool | None = None) -> str:
        """A slow payment ends, as its method does if nobody says how. ValueError: it is not processing."""
        intent = self._intent(reference)
        if succeeds is None:
            succeeds = intent.method is not None and intent.method.does.settles
        try:
            return self._book.intents.settle(intent, succeeds).status
        except Refusal as refusal:
            raise ValueError(str(refusal)) from refusal

    async def cancel_elsewhere(self, reference: str) -> str:
        """Somebody cancels the intent at Stripe's own site."""
        try:
            return self._book.intents.cancel(self._intent(reference), "requested_by_customer").status
        except Refusal as refusal:
            raise ValueError(str(refusal)) from refusal

    async def pay_elsewhere(self, amount: int, currency: str) -> str:
        """A payment that was made at Stripe's own site and is none of the merchant's system; its intent."""
        params = {"amount": amount, "currency": currency, "allowed_payment_method_types": ["card"], "payment_method": "pm_card_visa"}
        try:
            return self._book.intents.create(params | {"confirm": True}).id
        except Refusal as refusal:
            raise ValueError(str(refusal)) from refusal

    async def refund_elsewhere(self, charge: str, amount: int | None = None) -> RefundEntry:
        """At Stripe's own site. `charge`: ch_… or pi_…; `amount`: minor units, None: all that is left. ValueError: refused."""
        name = "payment_intent" if charge.startswith("pi_") else "charge"
        params: dict[str, Any] = {name: charge, "reason": "requested_by_customer"} | ({} if amount is None else {"amount": amount})
        try:
            refund = self._book.refunds.create(params)
        except Refusal as refusal:
            raise ValueError(str(refusal)) from refusal
        return next(one for one in self.refunds() if one.refund == refund.id)

    async def fail_refund(self, refund: str, reason: str = "expired_or_canceled_card") -> str:
        """The bank gives the money back, also after success; the refund's status. ValueError."""
        return self._book.refunds.fail(self._book.account.refunds.get(refund), reason).status

    async def settle_refund(self, refund: str) -> str:
        """A pending refund succeeds. ValueError."""
        return self._book.refunds.settle(self._book.account.refunds.get(refund)).status

    async def dispute(self, charge: str, event: str = "open", amount: int | None = None) -> DisputeEntry:
        """What the payer's bank does (`event`: one of disputes.EVENTS). `charge`: ch_… or pi_…. ValueError."""
        if charge.startswith("pi_"):
            charge = self._intent(charge).latest_charge or ""
        dispute = self._book.disputes.happens(self._book.account.charges.get(charge), event, amount)
        return next(one for one in self.disputes() if one.dispute == dispute.id)

    async def move_payout(self, payout: str, status: str) -> str:
        """in_transit, paid or failed (after paid too). ValueError."""
        return self._book.payouts.move(self._book.account.payouts.get(payout), status).status

    async def adjust_balance(self, currency: str, amount: int) -> int:
        """Money from or to elsewhere (amount below 0: taken away); the balance."""
        self._book.account.credit(currency, amount)
        return self._book.account.balance[currency]

    async def roll_secret(self, overlap_seconds: float = 86_400, endpoint: str | None = None) -> str:
        """A new secret of the endpoint (None: of the only one); the old one is signed with besides for so long."""
        endpoints = self._emulator.events.endpoints
        chosen = self._emulator.events.endpoint(endpoint) if endpoint else next(iter(endpoints.values()))
        return self._emulator.events.roll(chosen, overlap_seconds)

    async def set_twins(self, count: int) -> None:
        """So many more Event objects, with ids of their own, tell of each change."""
        self._emulator.events.twins = count

    async def set_manners(self, **manners: Any) -> None:
        """Fields of Manners (account.py). ValueError: no such."""
        names = {field.name for field in fields(self._book.account.manners)}
        for name, value in manners.items():
            if name not in names:
                raise ValueError(f"one of {', '.join(sorted(names))}")
            setattr(self._book.account.manners, name, value)

    async def advance(self, seconds: float) -> None:
        """The emulator's clock goes forward: idempotency keys, rolled secrets and checkouts run out. Signatures keep the real time."""
        self._emulator.skipped_seconds += seconds
        self._book.checkout.expire_due()

    async def resend(self, event: str) -> None:
        """By hand at Stripe's own site: once more to every endpoint that was told."""
        for key in self._emulator.events.delivery_keys(event):
            self._emulator.deliveries.resend(key)

    async def resend_missed(self) -> int:
        """By hand, everything that some endpoint has not accepted; how many events."""
        missed = [event for event in self._emulator.events.oldest_first() if event.waiting]
        for event in missed:
            await self.resend(event.id)
        return len(missed)

    def charges(self) -> list[ChargeEntry]:
        """The vendor's own book: money that was taken."""
        return self._book.charge_entries()

    def refunds(self) -> list[RefundEntry]:
        return self._book.refund_entries()

    def disputes(self) -> list[DisputeEntry]:
        return self._book.dispute_entries()

    def payouts(self) -> list[PayoutEntry]:
        return self._book.payout_entries()

    def balance(self) -> dict[str, int]:
        return {currency: amount for currency, amount in self._book.account.balance.items() if amount}

    def events(self) -> list[Json]:
        """Everything that was told, the oldest first."""
        return [event.view() for event in self._emulator.events.oldest_first()]

    def _intent(self, reference: str) -> PaymentIntent:
        intent = self._book.account.intents.find(reference)
        if intent is None:
            raise KeyError(f"no intent {reference}")
        return intent

    def _confirm(self, intent: PaymentIntent, method: str) -> str:
        try:
            self._book.intents.confirm(intent, {"payment_method": method, "return_url": intent.return_url or _RETURN_URL})
        except Refusal as refusal:
            if refusal.status != 402:
                raise ValueError(str(refusal)) from refusal
        return intent.status

    def _authenticate(self, intent: PaymentIntent, passes: bool) -> str:
        try:
            self._book.intents.authenticate(intent, passes)
        except Refusal as refusal:
            if refusal.status != 402:
                raise ValueError(str(refusal)) from refusal
        return intent.status

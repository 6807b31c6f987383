"""What a payer needs to pay on our own page: the methods to choose from, and one session's secret for the provider's form there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from services.payments.domain import refusals
from services.payments.domain.capabilities import ANY_AMOUNT, AmountRange, Capabilities
from services.payments.domain.payments import PAID_FROM_BALANCE, Payment, Status
from services.payments.domain.return_pages import ReturnPages
from services.payments.handlers.destinations import destination_of
from services.payments.providers.base import Provider
from services.payments.store import payments as store
from shared.contracts.base import utc_now
from shared.contracts.checkout import AmountLimits, CheckoutView, GetCheckout, ListMethods, MethodsView, MethodView, PayoutsView, Purpose
from shared.contracts.payment_commands import Refused
from shared.postgres import Pool, connection
from shared.sealing import Seal

PROVIDER: Final = "stripe"
"""The one whose form stands on a page of ours; the others have pages of their own."""

_ANYTHING: Final[tuple[Purpose, ...]] = ("deposit", "session", "order")
_OWN_PAGES: Final = ReturnPages("")


@dataclass(frozen=True, slots=True)
class Checkout:
    """`seal` is the one that closes client secrets when sessions are opened. `enabled`: the providers that are on for new payments.
    `payout_method`: how withdrawals are paid out, none: not at all; `paid_out`: the sums that it takes."""

    pool: Pool
    seal: Seal
    providers: Mapping[str, Provider]
    enabled: tuple[str, ...]
    payout_method: str | None = None
    paid_out: Mapping[str, AmountRange] = field(default_factory=lambda: ANY_AMOUNT)

    async def session(self, query: GetCheckout) -> CheckoutView | Refused:
        """session_not_found for whoever may not know of it. Unreadable (shared.sealing) when its secret's key is no longer there."""
        async with connection(self.pool) as db:
            payment = await store.find_session(db, query.session_id, PROVIDER, query.viewer_user_id)
        if payment is None or payment.session_id is None:
            return refusals.session_not_found(query.correlation_id)
        status = payment.told_at(utc_now())
        return CheckoutView(
            session_id=payment.session_id,
            payment_id=payment.payment_id,
            kind=payment.kind,
            order_id=payment.order_id,
            coaching_session_id=payment.coaching_session_id,
            status=status,
            amount_minor=payment.money.amount_minor,
            currency=payment.money.currency,
            title=payment.description,
            locale=payment.locale,
            client_secret=self._secret(payment) if status == Status.PENDING else None,
            success_path=_OWN_PAGES.success(payment),
            failure_path=_OWN_PAGES.failure(payment),
            expires_at=payment.expires_at,
        )

    async def methods(self, query: ListMethods) -> MethodsView:
        """The providers that are on, then the payer's own balance, which takes every sum and gives it back by itself; and the way out."""
        on = [_method(self.providers[name]) for name in self.enabled]
        return MethodsView(methods=(*on, _FROM_BALANCE), payouts=self._payouts())

    def _payouts(self) -> PayoutsView | None:
        if self.payout_method is None:
            return None
        return PayoutsView(method=self.payout_method, destination=destination_of(self.payout_method), limits=_limits(self.paid_out))

    def _secret(self, payment: Payment) -> str | None:
        return None if payment.client_secret is None else self.seal.open(payment.client_secret).decode()


def _method(provider: Provider) -> MethodView:
    return MethodView(
        method=provider.name, pays_for=_ANYTHING, limits=_limits(provider.currencies), capabilities=_names(provider.capabilities)
    )


def _limits(currencies: Mapping[str, AmountRange]) -> tuple[AmountLimits, ...]:
    return tuple(
        AmountLimits(
            currency=currency, minimum_minor=within.minimum_minor, maximum_minor=within.maximum_minor, step_minor=within.step_minor
        )
        for currency, within in sorted(currencies.items())
    )


def _names(capabilities: Capabilities) -> tuple[str, ...]:
    return tuple(one.name for one in fields(capabilities) if getattr(capabilities, one.name))


_FROM_BALANCE: Final = MethodView(method=PAID_FROM_BALANCE, pays_for=("session",), limits=_limits(ANY_AMOUNT), capabilities=("refund",))

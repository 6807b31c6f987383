"""Pays, refunds and cancels at Stripe in test mode, each step told: `STRIPE_SECRET_KEY=sk_test_… make live-stripe`.

Our adapter does what payments would; the payer's part (a test card) is played with the same key. With STRIPE_API_BASE it asks an emulator.
Webhooks need an address that Stripe can reach: `stripe listen --forward-to localhost:8000/api/v1/webhooks/stripe --latest` brings them to a
stack of `make run`, with the secret that it prints as STRIPE_WEBHOOK_SECRET. It leaves two test payments in the account's dashboard.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import stripe
import structlog
from pydantic import SecretStr, ValidationError

from services.payments.domain.facts import Closed, Paid
from services.payments.domain.payments import Payment, Status
from services.payments.domain.return_pages import ReturnPages
from services.payments.provider_settings import ProviderSettings
from services.payments.providers.base import (
    Accepted,
    Canceled,
    Open,
    Payer,
    RefundAccepted,
    RefundDeclined,
    RefundOrder,
    Rejected,
    Unavailable,
    Unknown,
)
from services.payments.providers.stripe.adapter import StripeProvider
from services.payments.providers.stripe.client import API_VERSION, NoAnswer, NotServed, SaidNo, StripeApi
from services.payments.providers.stripe.refunds import StripeRefunds
from services.payments.providers.stripe.statements import StripeStatements
from shared.contracts.base import new_id, utc_now
from shared.money import Money

WHOLE: Final = Money(5_000, "usd")
PART: Final = Money(2_000, "usd")
REST: Final = Money(3_000, "usd")
TTL: Final = timedelta(hours=1)
_SECONDS: Final = 120
_PAGES: Final = ReturnPages("http://localhost:8000")

Tell = Callable[[str], None]


class Unfit(Exception):
    """It cannot be begun; the text is the one line to show."""


class Failed(Exception):
    """A step did not end as it should have."""


def chosen(settings: ProviderSettings) -> SecretStr:
    """Unfit: no key, or one that moves real money."""
    key = settings.stripe_secret_key
    if key is None:
        raise Unfit("STRIPE_SECRET_KEY is not set: take one of test mode (sk_test_…) from Stripe's dashboard, under Developers")
    if not key.get_secret_value().startswith("sk_test_"):
        raise Unfit("STRIPE_SECRET_KEY is not of test mode with full rights (sk_test_…): this makes payments, and never real ones")
    return key


async def smoke(api: StripeApi, tell: Tell) -> None:
    """Failed at the first step that does not end as it should."""
    provider, refunds = StripeProvider(api, _PAGES, session_ttl=TTL), StripeRefunds(api)

    payment = await _opened(provider)
    tell(f"opened      {payment.provider_reference}: {_text(WHOLE)} to pay, API version {API_VERSION}")
    _check(await _opened(provider, payment), payment, "the same request again is the same payment")
    _check(await provider.find(payment), Open(expired=False), "nobody has paid yet")

    await _pay(api, payment)
    paid = await provider.find(payment)
    if not isinstance(paid, Paid):
        raise Failed(f"paid with pm_card_visa, yet Stripe tells {paid}")
    _check((paid.charge_reference, paid.money), (payment.provider_reference, WHOLE), "what was paid")
    tell(f"paid        {_text(paid.money)} with pm_card_visa")
    ended = await provider.cancel(payment)
    if not isinstance(ended, Paid):
        raise Failed(f"what is paid cannot be canceled, yet Stripe tells {ended}")
    tell("not ended   what is paid cannot be canceled")

    for money in (PART, REST):
        order = _order(payment, money)
        answer = await refunds.refund(order)
        if not isinstance(answer, RefundAccepted):
            raise Failed(f"a refund of {_text(money)}: {_words(answer)}")
        _check(await refunds.refund(order), answer, "the same refund again is the same refund")
        found = await refunds.find_refund(order)
        if not isinstance(found, RefundAccepted) or found.provider_reference != answer.provider_reference:
            raise Failed(f"the refund {answer.provider_reference} was looked for by our id, and this was found: {found}")
        tell(f"refunded    {answer.provider_reference}: {_text(money)}, {'settled' if found.settled else 'on its way'}")
    declined = await refunds.refund(_order(payment, PART))
    if not isinstance(declined, RefundDeclined):
        raise Failed(f"more was refunded than was paid: {declined}")
    tell(f"declined    another {_text(PART)}: {declined.reason}")

    other = await _opened(provider)
    _check(await provider.cancel(other), Canceled(), "an open payment can be canceled")
    closed = await provider.find(other)
    if not isinstance(closed, Closed):
        raise Failed(f"canceled, yet Stripe tells {closed}")
    tell(f"canceled    {other.provider_reference}")

    window = (payment.created_at - timedelta(minutes=10), utc_now() + timedelta(minutes=10))
    listed = {charge.charge_reference: charge.status async for charge in StripeStatements(api).charges(*window)}
    statuses = (listed.get(payment.provider_reference or ""), listed.get(other.provider_reference or ""))
    _check(statuses, ("paid", "closed"), "both in the list of the day")
    tell(f"listed      both, among {len(listed)} payments of these minutes")


async def _opened(provider: StripeProvider, known: Payment | None = None) -> Payment:
    """A new payment there, or the same one asked for again."""
    now = utc_now()
    payment = known or Payment(
        payment_id=new_id(),
        session_id=new_id(),
        user_id=None,
        kind="deposit",
        provider=provider.name,
        money=WHOLE,
        status=Status.PENDING,
        locale="en",
        correlation_id="live-stripe",
        created_at=now,
        updated_at=now,
        expires_at=now + TTL,
        description="make live-stripe",
    )
    made = await provider.create(payment, Payer(), again=known is not None)
    if not isinstance(made, Accepted) or not made.client_secret:
        raise Failed(f"a payment of {_text(WHOLE)} was to be opened: {_words(made)}")
    return replace(payment, provider_reference=made.provider_reference)


async def _pay(api: StripeApi, payment: Payment) -> None:
    """As the payer's browser would, with a test card."""
    assert payment.provider_reference is not None
    card = {"payment_method": "pm_card_visa", "return_url": _PAGES.success(payment)}
    confirmed = await api.v1.payment_intents.confirm_async(payment.provider_reference, card)  # type: ignore[arg-type]
    if confirmed.livemode:
        raise Failed("Stripe says that this is live mode: stop, and look at the key")


def _order(payment: Payment, money: Money) -> RefundOrder:
    assert payment.session_id is not None
    assert payment.provider_reference is not None
    return RefundOrder(new_id(), payment.payment_id, payment.session_id, payment.provider_reference, money, reason="live-stripe")


def _check(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise Failed(f"{what}: expected {expected}, found {found}")


def _words(answer: object) -> str:
    """Of an answer that is not the one hoped for."""
    match answer:
        case Unknown():
            return "Stripe gave no answer that says what became of it"
        case Unavailable(reason=reason) | Rejected(reason=reason) | RefundDeclined(reason=reason):
            return reason
        case _:
            return str(answer)


def _text(money: Money) -> str:
    return f"{money.major} {money.currency}"


async def run(settings: ProviderSettings, tell: Tell) -> None:
    """Unfit, Failed."""
    key = chosen(settings)
    api = StripeApi(key.get_secret_value(), settings.stripe_api_base)
    try:
        async with asyncio.timeout(_SECONDS):
            await smoke(api, tell)
    except (stripe.StripeError, SaidNo, NotServed, NoAnswer, TimeoutError) as error:
        raise Failed(f"Stripe at {settings.stripe_api_base}: {type(error).__name__} {error}") from error
    finally:
        await api.close()


def main() -> int:
    """0: every step ended as it should; 1: one did not; 2: it was not begun."""
    # The steps say what is to be said; refusals that they provoke are no warning to anybody.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        asyncio.run(run(ProviderSettings(), print))
    except ValidationError as error:
        first = error.errors()[0]
        name, wrong = ".".join(map(str, first["loc"])).upper(), first["msg"].removeprefix("Value error, ")
        print(f"live-stripe: {name} {wrong}" if name else f"live-stripe: {wrong}", file=sys.stderr)
        return 2
    except Unfit as error:
        print(f"live-stripe: {error}", file=sys.stderr)
        return 2
    except Failed as error:
        print(f"live-stripe: failed: {error}", file=sys.stderr)
        return 1
    print("all of it as it should be")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

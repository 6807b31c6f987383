"""Prodamus' links: what they ask the page for, signed so that the page takes them; what its adapter says it cannot do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.payments.adapters import real_adapters
from services.payments.config import PaymentsSettings
from services.payments.domain.capabilities import Capabilities, not_taken
from services.payments.domain.payments import Payment
from services.payments.providers.base import Accepted, Canceled, Payer
from services.payments.providers.prodamus.adapter import ProdamusProvider
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money
from tests.emulators.prodamus.signing import is_signed
from tests.unit.prodamus_payments import ORDER, PAGE, PUBLIC_URL, SESSION, an_order, parameters, provider

NOBODY = Payer()


async def link_of(payment: Payment, payer: Payer = NOBODY, adapter: ProdamusProvider | None = None) -> str:
    created = await (adapter or provider()).create(payment, payer, again=False)
    assert isinstance(created, Accepted)
    assert (created.expires_at, created.provider_reference, created.client_secret) == (payment.expires_at, None, None)
    return created.payment_url


async def test_a_link_opens_the_payment_at_once_and_asks_for_exactly_this_order() -> None:
    url = await link_of(an_order(), Payer("a@example.org", "+79990000000"))
    told = parameters(url)

    assert url.startswith("https://shop.payform.ru/?")
    assert url.isascii()
    assert is_signed(told, str(told.pop("signature")), "test")
    assert told == {
        "do": "pay",
        "order_id": str(SESSION),
        "products": {0: {"name": 'Разбор / "семь чакр"', "price": "21.00", "quantity": "1"}},
        "currency": "rub",
        "customer_email": "a@example.org",
        "customer_phone": "+79990000000",
        "payments_limit": "1",
        "link_expired": "2026-11-20 13:30",
        "sys": "demo",
        "urlNotification": f"{PUBLIC_URL}/api/v1/webhooks/prodamus",
        "urlReturn": f"{PUBLIC_URL}/ru/orders/{ORDER}/payment-failed?session_id={SESSION}",
        "urlSuccess": f"{PUBLIC_URL}/ru/orders/{ORDER}/success?session_id={SESSION}",
    }


async def test_the_same_session_has_the_same_link_however_often_it_is_asked_for() -> None:
    payment, payer = an_order(), Payer("a@example.org", None)
    first = await provider().create(payment, payer, again=False)
    again = await provider().create(payment, payer, again=True)
    assert first == again


async def test_what_is_not_known_is_not_named() -> None:
    told = parameters(await link_of(an_order(), Payer("", None), provider(replace(PAGE, sys=""))))
    # Without the integration's code the page would not look at the address either.
    assert not {"customer_email", "customer_phone", "sys", "urlNotification", "demo_mode"} & set(told)


async def test_a_demo_page_asks_for_demo_payments() -> None:
    assert parameters(await link_of(an_order(), adapter=provider(replace(PAGE, demo=True))))["demo_mode"] == "1"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (timedelta(), "2026-11-20 12:30"),
        (timedelta(microseconds=1), "2026-11-20 12:31"),
        (timedelta(seconds=59.999999), "2026-11-20 12:31"),
        (timedelta(minutes=1), "2026-11-20 12:31"),
        (timedelta(hours=11, minutes=29, seconds=1), "2026-11-21 00:00"),
        (timedelta(days=41, hours=11, minutes=29, seconds=1), "2027-01-01 00:00"),
    ],
)
async def test_a_link_lasts_to_the_sessions_end_in_moscows_whole_minutes_and_never_less(after: timedelta, told: str) -> None:
    ends = datetime(2026, 11, 20, 9, 30, tzinfo=UTC) + after
    assert parameters(await link_of(an_order(expires_at=ends)))["link_expired"] == told


@pytest.mark.parametrize("currency", sorted(ProdamusProvider.currencies))
@pytest.mark.parametrize(("amount_minor", "text"), [(1, "0.01"), (1_050, "10.50"), (100, "1.00"), (MAX_AMOUNT_MINOR, "10000000000000.00")])
async def test_sums_are_exact_decimals_of_every_currency_that_the_page_has(currency: str, amount_minor: int, text: str) -> None:
    told = parameters(await link_of(an_order(money=Money(amount_minor, currency))))
    assert (told["products"], told["currency"]) == ({0: {"name": an_order().title, "price": text, "quantity": "1"}}, currency)


def test_other_currencies_are_refused_before_a_link_is_made() -> None:
    assert set(ProdamusProvider.currencies) == {"rub", "usd", "eur", "kzt"}
    assert {EXPONENTS[currency] for currency in ProdamusProvider.currencies} == {2}
    refused = not_taken("prodamus", ProdamusProvider.currencies, Money(100, "rsd"), "r")
    assert refused is not None
    assert (refused.code, refused.detail) == ("currency_not_available", "prodamus does not take rsd.")


async def test_the_longest_link_fits_into_a_request_line_of_eight_thousand_bytes() -> None:
    longest = an_order(description="😀" * 500)
    payer = Payer(f"{'ж' * 64}@{'x' * 190}.ru", "+" + "9" * 30)
    url = await link_of(longest, payer)
    assert parameters(url)["products"] == {0: {"name": "😀" * 200, "price": "21.00", "quantity": "1"}}
    assert len(url) < 8_000


async def test_a_key_is_nowhere_in_clear() -> None:
    adapter = provider(replace(PAGE, key="page-key-in-clear"))
    assert "page-key-in-clear" not in await link_of(an_order(), adapter=adapter) + repr(PAGE) + repr(adapter)


async def test_it_cannot_be_asked_nor_end_a_session() -> None:
    adapter = provider()
    assert adapter.capabilities == Capabilities(refund=False, status=False, cancel=False, payout=False, dispute=False)
    assert adapter.questions_per_minute is None
    assert await adapter.cancel(an_order()) == Canceled(still_payable=True)


def settings(**changes: Any) -> PaymentsSettings:
    strong = "mB3v9QxT7kLw2ZrY8hNc5JfD1sGp6VuA"
    facts: dict[str, Any] = {
        "_env_file": None,
        "amqp_url": "amqp://user:password@localhost/",
        "database_url": "postgresql://role:password@localhost/purser",
        "secret_key": strong,
        "data_keys": strong,
        "providers": "prodamus",
        "payout_method": "none",
        "public_url": PUBLIC_URL,
        "prodamus_page_url": "https://shop.payform.ru/",
        "prodamus_secret_key": "the-new-key,the-old-key",
        "prodamus_sys": "demo",
    }
    return PaymentsSettings(**(facts | changes))


async def test_the_first_of_two_keys_signs() -> None:
    adapter = real_adapters(settings()).providers["prodamus"]
    assert isinstance(adapter, ProdamusProvider)
    told = parameters(await link_of(an_order(), adapter=adapter))
    signature = str(told.pop("signature"))
    assert (is_signed(told, signature, "the-new-key"), is_signed(told, signature, "the-old-key")) == (True, False)
    assert told["urlNotification"] == f"{PUBLIC_URL}/api/v1/webhooks/prodamus"


def test_a_start_without_the_integrations_code_says_which_address_the_cabinet_needs() -> None:
    with capture_logs() as quiet:
        adapters = real_adapters(settings())
    with capture_logs() as warned:
        real_adapters(settings(prodamus_sys=""))
    assert (quiet, set(adapters.refunds), set(adapters.payouts)) == ([], set(), set())
    (line,) = warned
    assert (line["log_level"], line["needed"]) == ("warning", f"{PUBLIC_URL}/api/v1/webhooks/prodamus")


def test_without_a_page_there_is_no_adapter() -> None:
    assert "prodamus" not in real_adapters(settings(prodamus_page_url=None, prodamus_secret_key="", providers="")).providers

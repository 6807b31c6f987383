"""A payment and a page, for the tests of Prodamus' adapter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.payments.domain.payments import Payment, Status
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.prodamus.adapter import PaymentPage, ProdamusProvider
from shared.money import Money
from tests.emulators.prodamus.php import Tree, read_query

PUBLIC_URL = "https://pay.example.org"
PAGE = PaymentPage(
    url="https://shop.payform.ru", key="test", notification_url=f"{PUBLIC_URL}/api/v1/webhooks/prodamus", sys="demo", demo=False
)
SESSION = UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4")
ORDER = UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c5")
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def provider(page: PaymentPage = PAGE) -> ProdamusProvider:
    return ProdamusProvider(page, ReturnPages(PUBLIC_URL))


def an_order(**changes: Any) -> Payment:
    """Of 21.00 rub, payable for an hour."""
    facts: dict[str, Any] = {
        "payment_id": UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"),
        "session_id": SESSION,
        "user_id": None,
        "kind": "order",
        "provider": "prodamus",
        "money": Money(2_100, "rub"),
        "status": Status.PENDING,
        "locale": "ru",
        "correlation_id": "request-1",
        "created_at": NOW,
        "updated_at": NOW,
        "description": 'Разбор / "семь чакр"',
        "order_id": ORDER,
        "expires_at": NOW + timedelta(hours=1),
    }
    return Payment(**(facts | changes))


def parameters(url: str) -> Tree:
    """What PHP would see of a link."""
    return read_query(url.partition("?")[2])

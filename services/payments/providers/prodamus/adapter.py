"""Prodamus: a signed link to the merchant's payment page; what becomes of it only the page's notifications tell.

Source: help.prodamus.ru, the guide for one's own integration. It knows no call for a payment's status, a refund or a cancellation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Final

from services.payments.domain.capabilities import AmountRange, Capabilities
from services.payments.domain.payments import Payment
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.base import Accepted, Canceled, Created, Ended, Payer, ProviderEvent, Told, Unknown
from services.payments.providers.prodamus import events as prodamus_events
from shared.contracts.base import utc_now
from shared.php_forms import PhpForm, encode, signature

MOSCOW: Final = timezone(timedelta(hours=3))
"""An assumption: the guide does not say in which zone `link_expired` is read. Were it UTC, links would be payable three hours longer than
our sessions, and what is paid then is credited all the same."""

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """The merchant's page. `key` signs links; `sys`: the integration's code, without which the page does not look at `notification_url`."""

    url: str
    key: str = field(repr=False)
    notification_url: str
    sys: str = ""
    demo: bool = False


class ProdamusProvider:
    name: Final = "prodamus"
    capabilities: Final = Capabilities(refund=False, status=False, cancel=False, payout=False, dispute=False)
    # The guide names the currencies and no limits; what the page itself will not take, it tells the payer.
    currencies: Final[Mapping[str, AmountRange]] = dict.fromkeys(("rub", "usd", "eur", "kzt"), AmountRange())
    questions_per_minute: Final = None

    def __init__(self, page: PaymentPage, return_pages: ReturnPages) -> None:
        self._page = page
        self._return_pages = return_pages

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        """Makes the link and calls nobody: the page learns of the session from its payer. The same session and payer, the same link."""
        assert payment.expires_at is not None
        form = self._form(payment, payer)
        form["signature"] = signature(form, self._page.key)
        return Accepted(f"{self._page.url.rstrip('/')}/?{encode(form)}", payment.expires_at)

    async def find(self, payment: Payment) -> Told:
        return Unknown()

    async def cancel(self, payment: Payment) -> Ended:
        return Canceled(still_payable=True)

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        return prodamus_events.read_event(headers, body, utc_now())

    def _form(self, payment: Payment, payer: Payer) -> PhpForm:
        assert payment.expires_at is not None
        form: PhpForm = {
            "do": "pay",
            "order_id": str(payment.session_id),
            "products": [{"name": payment.title, "price": payment.money.major, "quantity": "1"}],
            "currency": payment.money.currency,
            "payments_limit": "1",
            "link_expired": _whole_minute(payment.expires_at.astimezone(MOSCOW)),
            "urlReturn": self._return_pages.failure(payment),
            "urlSuccess": self._return_pages.success(payment),
        }
        known = {"customer_email": payer.email, "customer_phone": payer.phone}
        form.update({name: text for name, text in known.items() if text})
        if self._page.sys:
            form.update({"sys": self._page.sys, "urlNotification": self._page.notification_url})
        if self._page.demo:
            form["demo_mode"] = "1"
        return form


def _whole_minute(moment: datetime) -> str:
    """The page's form, `yyyy-mm-dd hh:mm`: rounded up, so that a session is never shorter there than here."""
    whole = moment.replace(second=0, microsecond=0)
    return f"{whole if whole == moment else whole + _MINUTE:%Y-%m-%d %H:%M}"

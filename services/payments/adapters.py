"""The adapters of the providers that are configured: made by whoever starts something, payments itself or an operator's command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from services.payments.config import PaymentsSettings
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.allsecure.adapter import AllSecureProvider
from services.payments.providers.allsecure.client import AllSecureClient, Credentials
from services.payments.providers.allsecure.outgoing import AllSecurePayouts, AllSecureRefunds
from services.payments.providers.base import Payouts, Provider, Refunds, Statements
from services.payments.providers.prodamus.adapter import PaymentPage, ProdamusProvider
from services.payments.providers.stripe.adapter import StripeProvider
from services.payments.providers.stripe.client import StripeApi
from services.payments.providers.stripe.refunds import StripeRefunds
from services.payments.providers.stripe.statements import StripeStatements

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Adapters:
    """By provider; `statements`: those that list what they have. `close`: ends their connections."""

    providers: dict[str, Provider] = field(default_factory=dict)
    refunds: dict[str, Refunds] = field(default_factory=dict)
    payouts: dict[str, Payouts] = field(default_factory=dict)
    statements: dict[str, Statements] = field(default_factory=dict)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def close(self) -> None:
        for closer in reversed(self.closers):
            await closer()


def real_adapters(settings: PaymentsSettings) -> Adapters:
    """Those that have credentials, whether they are on for new payments or not: what they have begun goes on."""
    adapters = Adapters()
    return_pages = ReturnPages(settings.base_url)
    if settings.stripe_secret_key is not None:
        stripe = StripeApi(settings.stripe_secret_key.get_secret_value(), settings.stripe_api_base)
        adapters.closers.append(stripe.close)
        ttl = timedelta(seconds=settings.session_ttl_seconds)
        adapters.providers[StripeProvider.name] = StripeProvider(stripe, return_pages, session_ttl=ttl)
        adapters.refunds[StripeRefunds.name] = StripeRefunds(stripe)
        adapters.statements[StripeStatements.name] = StripeStatements(stripe)
    if settings.prodamus_page_url is not None:
        adapters.providers[ProdamusProvider.name] = _prodamus(settings, settings.prodamus_page_url, return_pages)
    if (connector := _allsecure_connector(settings)) is not None:
        client = AllSecureClient(connector)
        adapters.closers.append(client.close)
        callback_url = f"{settings.base_url}/api/v1/webhooks/{AllSecureProvider.name}"
        adapters.providers[AllSecureProvider.name] = AllSecureProvider(
            client, return_pages, callback_url=callback_url, questions_per_minute=settings.allsecure_questions_per_minute
        )
        adapters.refunds[AllSecureRefunds.name] = AllSecureRefunds(client, callback_url=callback_url)
        adapters.payouts[AllSecurePayouts.name] = AllSecurePayouts(client, callback_url=callback_url)
    return adapters


def _allsecure_connector(settings: PaymentsSettings) -> Credentials | None:
    key, username = settings.allsecure_api_key, settings.allsecure_username
    password, secret = settings.allsecure_password, settings.allsecure_shared_secret
    if key is None or username is None or password is None or secret is None:
        return None  # the settings are whole or not there
    return Credentials(
        settings.allsecure_base_url, username, key.get_secret_value(), password.get_secret_value(), secret.get_secret_value()
    )


def _prodamus(settings: PaymentsSettings, page_url: str, return_pages: ReturnPages) -> ProdamusProvider:
    page = PaymentPage(
        url=page_url,
        key=settings.prodamus_secret_key[0],
        notification_url=f"{settings.base_url}/api/v1/webhooks/{ProdamusProvider.name}",
        sys=settings.prodamus_sys,
        demo=settings.prodamus_demo,
    )
    if not page.sys:
        log.warning("PRODAMUS_SYS is not set: Prodamus notifies only the address that its cabinet has", needed=page.notification_url)
    return ProdamusProvider(page, return_pages)

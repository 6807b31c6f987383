"""The ASGI application: the routes, the errors, the document, and the edge around them all."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from services.gateway import documentation, errors
from services.gateway.api import (
    audit,
    balance,
    configuration,
    deposits,
    history,
    identity,
    intents,
    interpretations,
    mock_controls,
    operations,
    orders,
    payments,
    refunds,
    sessions,
    stream,
    suspense,
    transfers,
    withdrawal_decisions,
    withdrawals,
)
from services.gateway.docs import docs_router
from services.gateway.edge import Edge
from services.gateway.pages.troubles import trouble
from services.gateway.pages.views import (
    admin,
    admin_log,
    admin_suspense,
    admin_withdrawals,
    balance_page,
    checkout,
    deposit,
    deposit_results,
    files,
    login,
    mock_payment,
    order_form,
    order_payments,
    order_results,
    payment,
    payment_list,
    payment_refunds,
    session_payment,
    session_result,
    start,
    withdrawal_cancel,
)
from services.gateway.parts import Parts
from services.gateway.rate_limit import RateLimit
from services.gateway.webhook_document import webhook_paths
from services.gateway.webhooks import Webhooks

VERSION: Final = "1.0.0"

_ABOUT: Final = """Takes payments and keeps balances.

Money goes out as `amount` (major units), `amount_minor` (minor units, the truth) and `currency`. Every error is
`application/problem+json` with a stable `code`. Every answer carries `X-Request-ID`; a request's own is kept when it is 1 to 128 of
letters, digits and `._:=+/@-`. Requests are counted by user and by address: too many a second are 429 with `Retry-After`; each operation
but probes and webhooks may answer so. A request whose answer is slow is 202 with a `Location`; repeating with the same `Idempotency-Key` is
always safe."""


def create_app(parts: Parts) -> Edge:
    """The gateway's whole HTTP face; nothing is connected here."""
    # A path with one slash more or less is another path: a redirect would lose the body of a POST.
    app = FastAPI(title="Purser", version=VERSION, description=_ABOUT, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts = parts
    for resource in (
        identity,
        balance,
        deposits,
        intents,
        orders,
        interpretations,
        history,
        payments,
        refunds,
        sessions,
        configuration,
        withdrawals,
        withdrawal_decisions,
        suspense,
        transfers,
        mock_controls,
        stream,
        audit,
        operations,
    ):
        app.include_router(resource.router)
    app.include_router(docs_router(parts.settings.public_url))
    for page in (
        files,
        start,
        mock_payment,
        checkout,
        login,
        balance_page,
        withdrawal_cancel,
        deposit,
        deposit_results,
        order_form,
        order_payments,
        order_results,
        session_payment,
        session_result,
        payment_list,
        payment,
        payment_refunds,
        admin,
        admin_withdrawals,
        admin_suspense,
        admin_log,
    ):
        app.include_router(page.router)
    errors.install(app)
    documentation.install(app, public_url=parts.settings.public_url, more_paths=webhook_paths())
    webhooks = Webhooks(parts.ingress, parts.settings.body_limit_bytes)
    addresses = RateLimit("address", parts.settings.rate_limit_address_per_second, parts.settings.rate_limit_address_burst)
    return Edge(app, webhooks, addresses, origins=parts.settings.origins, secure=parts.settings.secure_cookies, troubles=trouble)

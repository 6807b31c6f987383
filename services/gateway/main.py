"""Starts the gateway: `python -m services.gateway.main`; the one place where its parts are made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from services.gateway.app import create_app
from services.gateway.auth import Gate
from services.gateway.config import GatewaySettings
from services.gateway.directory import Directory
from services.gateway.ingress import Ingress, mock_check
from services.gateway.login_limit import FailureLimit
from services.gateway.parts import Parts
from services.gateway.requests import Services
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.declare import declare_topology
from shared.delivery.errors import BrokerUnavailable
from shared.delivery.publisher import EnvelopePublisher, Publisher
from shared.delivery.requests import Requests
from shared.health import Health
from shared.jwks import JwksUnavailable
from shared.operations import HttpServer, listen
from shared.process import run
from shared.settings import load
from shared.telemetry import configure_logging
from shared.tickets import TicketOffice
from shared.token_settings import build_verifier

NAME: Final = "gateway"
_STOP_SECONDS: Final = 8
"""For the requests in hand; what is published by then must still be confirmed."""


def build(settings: GatewaySettings, link: BrokerLink) -> tuple[Parts, EnvelopePublisher[ProviderEventReceived]]:
    """The gateway's parts around a link to the broker; JwksUnavailable when the token keys cannot be read."""
    keys = settings.keys
    events = EnvelopePublisher[ProviderEventReceived](Publisher(link, app_id=NAME), route_of(ProviderEventReceived))
    limits = FailureLimit(settings.rate_limit_login_failures), FailureLimit(settings.rate_limit_login_failures_address)
    parts = Parts(
        settings=settings,
        keys=keys,
        gate=Gate(build_verifier(settings), keys),
        services=Services(Requests(link, app_id=NAME), settings.rpc_timeout_seconds),
        ingress=Ingress({"mock": mock_check(keys)} if settings.mock_provider else {}, events),
        tickets=TicketOffice(keys),
        health=Health(NAME, {"broker": link.check}),
        directory=Directory(*limits) if settings.demo_login else None,
    )
    return parts, events


@asynccontextmanager
async def gateway(settings: GatewaySettings) -> AsyncIterator[None]:
    """The gateway from its first connection to its last answer."""
    link = BrokerLink(settings.amqp_url, name=NAME)
    try:
        parts, events = build(settings, link)
        listener = listen(settings.bind_host, settings.gateway_port, "GATEWAY_PORT")
        await link.start()
    except (BrokerUnavailable, JwksUnavailable) as error:
        raise SystemExit(f"cannot start: {error}") from error
    await declare_topology(link)
    server = HttpServer(create_app(parts), listener, stop_seconds=_STOP_SECONDS, trusted_proxies=settings.trusted_proxies)
    await server.start()
    try:
        yield
    finally:
        await server.stop()
        await events.drain()
        await link.close()


def main() -> None:
    settings = load(GatewaySettings)
    configure_logging(NAME, settings.log_level)
    run(partial(gateway, settings))


if __name__ == "__main__":
    main()

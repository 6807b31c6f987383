"""Builds the gateway and runs it: `python -m services.gateway.main`."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from services.gateway.app import create_app
from services.gateway.auth import Gate
from services.gateway.checks import build_checks
from services.gateway.config import GatewaySettings
from services.gateway.directory import Directory
from services.gateway.hypertext import load_hypertext
from services.gateway.ingress import Ingress
from services.gateway.login_limit import FailureLimit
from services.gateway.logins import LoginRecords
from services.gateway.methods import Methods
from services.gateway.parts import Parts
from services.gateway.rate_limit import RateLimit
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
"""For the requests in hand; the last events must still be confirmed after."""


@asynccontextmanager
async def gateway(settings: GatewaySettings, listener: socket.socket) -> AsyncIterator[None]:
    """Everything of the gateway, started in the order of its needs and stopped in the reverse: HTTP first, the connection last."""
    async with AsyncExitStack() as stack:
        link = BrokerLink(settings.amqp_url, name=f"{NAME} {socket.gethostname()}:{os.getpid()}")
        stack.push_async_callback(link.close)
        await link.start()
        await declare_topology(link)
        events = EnvelopePublisher[ProviderEventReceived](Publisher(link, app_id=NAME), route_of(ProviderEventReceived))
        stack.push_async_callback(events.drain)
        parts = assemble(settings, link, events)
        await parts.logins.start()
        stack.push_async_callback(parts.logins.stop)
        http = HttpServer(create_app(parts), listener, stop_seconds=_STOP_SECONDS, trusted_proxies=settings.trusted_proxies)
        await http.start()
        stack.push_async_callback(http.stop)
        yield


def assemble(settings: GatewaySettings, link: BrokerLink, events: EnvelopePublisher[ProviderEventReceived]) -> Parts:
    """What the routes work with, around a link that need not be up yet; JwksUnavailable when the token keys cannot be read."""
    keys = settings.keys
    callers = RateLimit("user", settings.rate_limit_user_per_second, settings.rate_limit_user_burst)
    services = Services(Requests(link, app_id=NAME), settings.rpc_timeout_seconds)
    checks = build_checks(settings, keys)
    limits = FailureLimit(settings.rate_limit_login_failures), FailureLimit(settings.rate_limit_login_failures_address)
    return Parts(
        settings=settings,
        keys=keys,
        gate=Gate(build_verifier(settings), keys, callers),
        services=services,
        methods=Methods(services, checks),
        ingress=Ingress(checks, events),
        tickets=TicketOffice(keys),
        health=Health(NAME, {"broker": link.check}),
        directory=Directory(*limits) if settings.demo_login else None,
        logins=LoginRecords(Publisher(link, app_id=NAME), keys),
        hypertext=load_hypertext(settings.notifier_public_url),
    )


def main() -> None:
    settings = load(GatewaySettings)
    configure_logging(NAME, settings.log_level)
    listener = listen(settings.bind_host, settings.gateway_port, "GATEWAY_PORT")
    try:
        run(lambda: gateway(settings, listener))
    except (BrokerUnavailable, JwksUnavailable) as error:
        raise SystemExit(f"cannot start: {error}") from error


if __name__ == "__main__":
    main()

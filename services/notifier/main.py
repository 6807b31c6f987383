"""Builds the notifier and runs it: the only place that makes connections, servers and settings."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from prometheus_client import REGISTRY

from services.notifier.admission import Admission
from services.notifier.asyncapi import document
from services.notifier.config import NotifierSettings
from services.notifier.consumers import BalanceChanges, PaymentEvents, Refresher, Subscriptions, answer_questions
from services.notifier.counts import Counts
from services.notifier.hub import Hub
from services.notifier.metrics import CountsCollector
from services.notifier.pages import Pages
from services.notifier.sockets import Limits, SocketServer
from services.notifier.wallet import WalletQuestions
from shared.contracts.topology import NOTIFIER_BALANCE_CHANGED, NOTIFIER_PAYMENTS, Queue
from shared.delivery.broker import BrokerLink
from shared.delivery.consumer import BatchConsumer, BatchHandler
from shared.delivery.declare import declare_topology
from shared.delivery.errors import BrokerUnavailable
from shared.delivery.publisher import Publisher
from shared.delivery.requests import Requests
from shared.delivery.server import make_broker, stop_broker
from shared.health import Health
from shared.jwks import JwksUnavailable
from shared.operations import listen
from shared.process import run
from shared.settings import load
from shared.telemetry import configure_logging
from shared.tickets import TicketOffice
from shared.token_settings import build_verifier

SERVICE = "notifier"
_HANDSHAKE_WAIT_SECONDS = 1.0


@asynccontextmanager
async def notifier(settings: NotifierSettings) -> AsyncIterator[None]:
    """Runs the service; SystemExit with one line when it cannot start."""
    replica = secrets.token_hex(6)
    name = f"{SERVICE}.{replica}"
    counts = Counts()
    hub = Hub(asyncio.get_running_loop(), counts, sockets_per_user_max=settings.sockets_per_user_max)
    link = BrokerLink(settings.amqp_url, name=name)
    publisher = Publisher(link, app_id=SERVICE)
    requests = Requests(link, app_id=SERVICE)
    wallet = WalletQuestions(requests, timeout_seconds=settings.snapshot_timeout_seconds)
    refresher = Refresher(hub, wallet)
    subscriptions = Subscriptions(refresher.on_subscribed)
    handlers: tuple[tuple[Queue, BatchHandler[Any]], ...] = (
        (NOTIFIER_BALANCE_CHANGED, BalanceChanges(hub)),
        (NOTIFIER_PAYMENTS, PaymentEvents(hub)),
    )
    for queue, handler in handlers:
        subscriptions.add(BatchConsumer(link, queue, handler, publisher, replica=replica, on_subscribed=subscriptions.on_subscribed))
    health = Health(SERVICE, {"broker": link.check, "subscription": lambda: subscriptions.resubscribed(_HANDSHAKE_WAIT_SECONDS)})
    broker = make_broker(settings.amqp_url, app_id=SERVICE, name=f"{name}.questions")
    answer_questions(broker, publisher, health)
    try:
        admission = Admission(TicketOffice(settings.keys), build_verifier(settings))
    except JwksUnavailable as error:
        raise SystemExit(f"cannot start: {error}") from error
    pages = Pages(health, document(), settings.origins, _subscribed(link, subscriptions), counts)
    limits = Limits(settings.sockets_max, settings.ping_interval_seconds, settings.ping_timeout_seconds, settings.slow_socket_seconds)
    sockets = SocketServer(
        listen(settings.bind_host, settings.notifier_port, "NOTIFIER_PORT"), pages, hub, admission, wallet.open_stream, counts, limits
    )
    collector = CountsCollector(counts)
    async with AsyncExitStack() as stopping:
        # Undone in the opposite order: the sockets are told first, while everything behind them still works.
        REGISTRY.register(collector)
        stopping.callback(REGISTRY.unregister, collector)
        stopping.push_async_callback(link.close)
        stopping.push_async_callback(refresher.close)
        stopping.push_async_callback(subscriptions.stop, 2)
        stopping.push_async_callback(stop_broker, broker)
        stopping.push_async_callback(sockets.stop)
        # Before the broker is there: probes get their answer, and sockets a 503.
        await sockets.start()
        try:
            await link.start()
            await declare_topology(link)
            await broker.start()
            # Last: readiness asks for the subscription, so ready means that all of this is done.
            await subscriptions.start()
        except (BrokerUnavailable, TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            raise SystemExit(f"cannot start: AMQP_URL: the broker cannot be reached, or was lost again ({type(error).__name__})") from error
        yield


def _subscribed(link: BrokerLink, subscriptions: Subscriptions) -> Callable[[], Awaitable[bool]]:
    async def subscribed() -> bool:
        if not link.is_up:
            return False
        try:
            await subscriptions.resubscribed(_HANDSHAKE_WAIT_SECONDS)
        except TimeoutError:
            return False
        return True

    return subscribed


def main() -> None:
    settings = load(NotifierSettings)
    configure_logging(SERVICE, settings.log_level)
    run(lambda: notifier(settings))


if __name__ == "__main__":
    main()

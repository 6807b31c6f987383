"""What arrives over the broker: changed balances, payments and withdrawals, the subscriptions' return after an outage, and the question
whether we are there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from faststream.rabbit import RabbitBroker

from services.notifier.hub import Hub
from services.notifier.notices import PaymentEvent
from services.notifier.wallet import USERS_MAX, WalletQuestions
from shared.contracts.queries import GetNotifierHealth, HealthView
from shared.contracts.topology import NOTIFIER_QUERIES
from shared.contracts.wallet_events import BalanceChanged
from shared.delivery.consumer import BatchConsumer
from shared.delivery.errors import DeliveryError
from shared.delivery.failures import Failure
from shared.delivery.publisher import Publisher
from shared.delivery.server import of, serve
from shared.health import Health

log = structlog.get_logger(__name__)

_BACKOFF_MAX_SECONDS: Final = 5.0
_SLICE_EVENTS: Final = 50


class BalanceChanges:
    """Hands what this replica's own queue brings to the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def handle(self, events: Sequence[BalanceChanged]) -> Sequence[Failure]:
        for start in range(0, len(events), _SLICE_EVENTS):
            self._hub.on_balance_changed(events[start : start + _SLICE_EVENTS])
            # The network takes what was written only between two turns of the loop: a burst alone must not make a client look slow.
            await asyncio.sleep(0)
        return ()


class PaymentEvents:
    """Hands what this replica's other queue brings to the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def handle(self, events: Sequence[PaymentEvent]) -> Sequence[Failure]:
        for start in range(0, len(events), _SLICE_EVENTS):
            self._hub.on_payment_events(events[start : start + _SLICE_EVENTS])
            await asyncio.sleep(0)
        return ()


class Subscriptions:
    """This replica's own queues as one. `refresh` is called when the last of them is subscribed (again): whoever then gets a snapshot, and
    reads the lists again for it, misses nothing of any."""

    def __init__(self, refresh: Callable[[], None]) -> None:
        self._refresh = refresh
        self._consumers: list[BatchConsumer[Any]] = []

    def add(self, consumer: BatchConsumer[Any]) -> None:
        self._consumers.append(consumer)

    def on_subscribed(self) -> None:
        """For each of the consumers to call."""
        if all(consumer.is_subscribed for consumer in self._consumers):
            self._refresh()

    async def start(self) -> None:
        await asyncio.gather(*(consumer.start() for consumer in self._consumers))

    async def stop(self, timeout_seconds: float) -> None:
        await asyncio.gather(*(consumer.stop(timeout_seconds) for consumer in self._consumers))

    async def resubscribed(self, timeout_seconds: float) -> None:
        """Waits until all are subscribed; TimeoutError."""
        await asyncio.gather(*(consumer.resubscribed(timeout_seconds) for consumer in self._consumers))


class Refresher:
    """After each outage of the subscriptions a new snapshot for everyone who is connected: what was committed in between passed us by."""

    def __init__(self, hub: Hub, wallet: WalletQuestions) -> None:
        self._hub = hub
        self._wallet = wallet
        self._task: asyncio.Task[None] | None = None

    def on_subscribed(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._refresh(), name="refresh")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _refresh(self) -> None:
        # Who joins from now on asks for a snapshot after the subscription: these users are all.
        waiting = self._hub.user_ids()
        if not waiting:
            return
        log.info("refreshing", users=len(waiting))
        delay = 0.1
        while waiting:
            batch = waiting[:USERS_MAX]
            try:
                balances = await self._wallet.balances(batch)
            except DeliveryError as error:
                log.warning("no balances to refresh with, trying again", users=len(waiting), error=type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _BACKOFF_MAX_SECONDS)
                continue
            for user_id, of_user in balances.items():
                self._hub.refresh(user_id, of_user)
            waiting = waiting[USERS_MAX:]
        log.info("refreshed")


def answer_questions(broker: RabbitBroker, publisher: Publisher, health: Health) -> None:
    """Answers GetNotifierHealth; whichever replica gets it speaks for all."""
    router, subscriber = serve(NOTIFIER_QUERIES, publisher)

    @subscriber(filter=of(GetNotifierHealth))
    async def get_notifier_health(question: GetNotifierHealth) -> HealthView:
        report = await health.report()
        return HealthView(service=report.service, ready=report.ready, checks=report.checks)

    broker.include_router(router)

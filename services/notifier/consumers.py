"""What arrives over the broker: changed balances, the subscription's return after an outage, and the question whether we are there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from faststream.rabbit import RabbitBroker

from services.notifier.hub import Hub
from services.notifier.wallet import USERS_MAX, WalletQuestions
from shared.contracts.queries import GetNotifierHealth, HealthView
from shared.contracts.topology import NOTIFIER_QUERIES
from shared.contracts.wallet_events import BalanceChanged
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


class Refresher:
    """After each subscription a new snapshot for everyone who is connected: what was committed in between passed us by."""

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

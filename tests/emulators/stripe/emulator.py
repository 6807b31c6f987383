"""Stripe put together: one test account, its API, its events, its pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from starlette.applications import Starlette

from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults
from tests.emulators.stripe.account import Manners
from tests.emulators.stripe.app import create_app, fault_answer
from tests.emulators.stripe.authorization import ApiKeys
from tests.emulators.stripe.book import Book
from tests.emulators.stripe.control import Control
from tests.emulators.stripe.events import Events
from tests.emulators.stripe.idempotency import DAY_SECONDS, IdempotencyKeys
from tests.emulators.stripe.objects import API_VERSION

TEST_WEBHOOK_SECRET: Final = "whsec_of_the_emulators_first_endpoint"
_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
# Live mode's three days; the documentation gives their sum only.
RETRY_SECONDS: Final = (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, *(12 * _HOUR,) * 4)
_TIMEOUT_SECONDS: Final = 20.0
_WAITING_MAX: Final = 10_000


class StripeEmulator:
    """`keys`: the account's. `webhooks_to`: the address of a first endpoint that wants everything, with `webhook_secret`.

    `settle_seconds`: after so long, times `time_scale`, slow payments and refunds end by themselves (None: only by the controls).
    """

    def __init__(
        self,
        *,
        keys: ApiKeys | None = None,
        webhooks_to: str | None = None,
        webhook_secret: str = TEST_WEBHOOK_SECRET,
        api_version: str = API_VERSION,
        seed: int = 0,
        time_scale: float = 1.0,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        idempotency_ttl_seconds: int = DAY_SECONDS,
        settle_seconds: float | None = None,
    ) -> None:
        self.base_url = ""
        self.keys = keys or ApiKeys()
        self.skipped_seconds = 0.0
        self._waiting: set[asyncio.Task[None]] = set()
        self._time_scale = time_scale
        self.deliveries = Deliveries(
            retry_seconds=retry_seconds,
            accepted=lambda status, _: 200 <= status < 300,
            timeout_seconds=timeout_seconds,
            time_scale=time_scale,
            seed=seed,
        )
        self.faults = Faults(seed=seed, answer=fault_answer, left_to_app={"500_before", "500_after", "slow"})
        self.idempotency = IdempotencyKeys(self.now, idempotency_ttl_seconds)
        self.events = Events(self.now, self.deliveries.send)
        self.book = Book(
            emit=self.events.emit,
            now=self.now,
            later=self._later,
            address=lambda: self.base_url,
            manners=Manners(settle_seconds=settle_seconds),
        )
        self.control = Control(self)
        if webhooks_to is not None:
            self.events.add_endpoint(webhooks_to, ["*"], api_version, webhook_secret)
        self.app: Starlette = create_app(self)

    def now(self) -> int:
        """Unix seconds by the account's clock."""
        return int(time.time() + self.skipped_seconds)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if len(self._waiting) >= _WAITING_MAX:
            raise RuntimeError(f"more than {_WAITING_MAX} slow payments and refunds")

        async def wait() -> None:
            await self.faults.wait(seconds * self._time_scale)
            # A stopped emulator's world stands still.
            if not self.faults.closed:
                action()

        task = asyncio.create_task(wait(), name="slow payment or refund")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

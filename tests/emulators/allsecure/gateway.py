"""What the pages, the API and the controls share: the book, the connectors, the limits, and telling merchants what has become."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from starlette.background import BackgroundTask
from starlette.responses import Response

from tests.emulators.allsecure.answers import callback
from tests.emulators.allsecure.book import Book
from tests.emulators.allsecure.callbacks import Signer, address_of, new_deliveries, target_of
from tests.emulators.allsecure.connectors import Behaviour, Connector, Limits
from tests.emulators.allsecure.limits import Window
from tests.emulators.allsecure.transactions import Transaction
from tests.emulators.deliveries import Delivery

_UNREACHED_MAX: Final = 10_000


class Gateway:
    """`unreached`: callbackUrls that lie off this machine, and so were not called."""

    def __init__(
        self,
        *,
        connectors: Sequence[Connector],
        webhooks_to: str | None,
        behaviour: Behaviour,
        limits: Limits,
        seed: int | None,
        time_scale: float,
        clock: Callable[[], datetime],
    ) -> None:
        self.base_url = ""
        self.connectors = {connector.api_key: connector for connector in connectors}
        self.behaviour = behaviour
        self.clock = clock
        self.book = Book(clock=clock, seed=seed, reservation_days=lambda: self.behaviour.reservation_days)
        self.deliveries = new_deliveries(time_scale=time_scale, seed=seed or 0)
        self.unreached: deque[str] = deque(maxlen=_UNREACHED_MAX)
        self._webhooks_to = None if webhooks_to is None else urlsplit(webhooks_to)
        self.set_limits(limits)

    def set_limits(self, limits: Limits) -> None:
        """From now on; what was asked before is forgotten."""
        self.limits = limits
        self.per_user = Window(limits.per_user, limits.window_seconds)
        self.per_transaction = Window(limits.per_transaction, limits.window_seconds)
        self.per_connector = None if limits.transactions is None else Window(limits.transactions, limits.window_seconds)

    def redirect_url(self, transaction: Transaction) -> str | None:
        """The hosted page of a transaction that has one."""
        return None if transaction.page_key is None else f"{self.base_url}/redirect/{transaction.uuid}/{transaction.page_key}"

    def tell(self, transaction: Transaction) -> Delivery | None:
        """Sends the callback that says how the transaction is now. None: it has no address, or one that is not on this machine."""
        callback_url = transaction.request.callback_url
        if callback_url is None:
            return None
        address = address_of(callback_url, self._webhooks_to)
        if address is None:
            self.unreached.append(callback_url)
            return None
        told = callback(transaction, self.behaviour, self.book)
        signer = Signer(
            secret=self.connectors[transaction.connector].shared_secret,
            behaviour=self.behaviour,
            body_hash=transaction.body_hash,
            body=json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode(),
            target=target_of(callback_url),
        )
        delivery = Delivery(f"{transaction.uuid}:{told['result']}", address, signer)
        self.deliveries.send(delivery)
        return delivery

    async def call_back(self, transaction: Transaction, response: Response) -> None:
        """Tells the merchant before `response` is sent, after it or never, as behaviour.callbacks says."""
        match self.behaviour.callbacks:
            case "before":
                await self._tell_before(transaction)
            case "after":
                response.background = BackgroundTask(self._tell_after, transaction)
            case "never":
                pass

    async def _tell_before(self, transaction: Transaction) -> None:
        delivery = self.tell(transaction)
        # Dropped, held or put aside for its order, it is not under way; and beside others that are, the answer does not wait for ever.
        if delivery is None or not self.deliveries.outstanding:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.deliveries.timeout_seconds):
                await delivery.tried.wait()

    async def _tell_after(self, transaction: Transaction) -> None:
        # A coroutine, for Starlette would run a plain function in a thread.
        self.tell(transaction)

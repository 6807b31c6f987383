"""AllSecure's emulator as one object: the API, the hosted pages and the controls over one book."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from tests.emulators.admin import admin_routes
from tests.emulators.allsecure.app import Api, fault_answer, refuse_http
from tests.emulators.allsecure.book import Book
from tests.emulators.allsecure.connectors import CARDS, OLD_CARDS, Behaviour, Connector, Limits
from tests.emulators.allsecure.control import ACTIONS, Control
from tests.emulators.allsecure.gateway import Gateway
from tests.emulators.allsecure.hosted import Pages
from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults
from tests.emulators.server import BODY_LIMIT_BYTES


class AllSecureEmulator:
    """Serve it with EmulatorServer. `connectors`: two or more; `webhooks_to`: callbacks go to this address's host, whatever host a
    callbackUrl names (its path and query stay: they are signed); without it, only to callbackUrls on this machine, the others are in
    `unreached`. `seed`: None is a new one each time; `clock` tells the time of everything but the callbacks' dates.
    """

    def __init__(
        self,
        *,
        connectors: Sequence[Connector] = (CARDS, OLD_CARDS),
        webhooks_to: str | None = None,
        behaviour: Behaviour | None = None,
        limits: Limits | None = None,
        seed: int | None = None,
        time_scale: float = 1.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = Gateway(
            connectors=connectors,
            webhooks_to=webhooks_to,
            behaviour=behaviour or Behaviour(),
            limits=limits or Limits(),
            seed=seed,
            time_scale=time_scale,
            clock=clock,
        )
        self.faults = Faults(seed=seed or 0, answer=fault_answer)
        self.control = Control(self._gateway)
        self.app = Starlette(
            routes=[
                *Api(self._gateway).routes(),
                *Pages(self._gateway).routes(),
                *admin_routes(self.control, ACTIONS, self.deliveries, self.faults),
            ],
            middleware=[Middleware(self.faults.wrap)],
            exception_handlers={HTTPException: refuse_http},
            max_body_size=BODY_LIMIT_BYTES,
        )

    @property
    def base_url(self) -> str:
        return self._gateway.base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self._gateway.base_url = url

    @property
    def book(self) -> Book:
        return self._gateway.book

    @property
    def deliveries(self) -> Deliveries:
        return self._gateway.deliveries

    @property
    def behaviour(self) -> Behaviour:
        """May be changed while the emulator runs."""
        return self._gateway.behaviour

    @property
    def unreached(self) -> deque[str]:
        return self._gateway.unreached

"""Fault injection for an emulator's API: the answers, silences and cut connections that a real provider has on a bad day."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["429", "500_before", "500_after", "503", "504_after", "cut_before", "cut_after", "slow"]
"""`…_after`: the effect is done and the answer thrown away; `…_before` and the bare ones: nothing is done."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ANY: Final = "*"
CUT: Final = "emulators.cut"
"""The extension of the ASGI scope by which EmulatorServer lets a connection be cut."""

_WAITING_MAX: Final = 10_000
_INJECTED_MAX: Final = 100_000
_SLOW_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """`operation`: the route's name, or "*" while it waits for any. `seconds`: of "slow". `options`: what the provider knows besides."""

    kind: Kind
    operation: str = ANY
    seconds: float = _SLOW_SECONDS
    options: Mapping[str, str] = field(default_factory=dict)


def _plain_answer(fault: Fault) -> Response:
    return PlainTextResponse("fault", status_code=int(fault.kind[:3]))


class Faults:
    """What is to go wrong. Routes whose name begins with "_" (control, pages, scripts) are left alone, and so are unnamed ones.

    `answer` makes the provider's own body for 429, 500, 503 and 504. Kinds in `left_to_app` are not done here: the app finds its fault with
    `fault_of(scope)`, since it must happen inside something of the provider's (Stripe keeps a 500 under its idempotency key).
    """

    def __init__(
        self, *, seed: int = 0, answer: Callable[[Fault], Response] = _plain_answer, left_to_app: Collection[Kind] = frozenset()
    ) -> None:
        self._random = random.Random(seed)
        self._answer = answer
        self._left_to_app = frozenset(left_to_app)
        self._waiting: deque[Fault] = deque()
        self._rates: dict[Kind, float] = {}
        self._slow_seconds = _SLOW_SECONDS
        self._closed = asyncio.Event()
        self.injected: deque[Fault] = deque(maxlen=_INJECTED_MAX)

    def once(self, kind: Kind, operation: str = ANY, *, times: int = 1, seconds: float = _SLOW_SECONDS, **options: str) -> None:
        """The next `times` calls of the operation go wrong so; several wait in line. ValueError: an unknown kind, or too many."""
        _check(kind)
        if not 0 < times <= _WAITING_MAX - len(self._waiting):
            raise ValueError(f"between 1 and {_WAITING_MAX} faults may wait")
        self._waiting.extend([Fault(kind, operation, seconds, options)] * times)

    def rate(self, kind: Kind, probability: float, *, seconds: float = _SLOW_SECONDS) -> None:
        """Every call goes wrong so with this probability; 0 ends it. The sum of all kinds' is at most 1."""
        _check(kind)
        rates = self._rates | {kind: probability}
        if not 0 <= probability <= 1 or sum(rates.values()) > 1:
            raise ValueError("probabilities lie between 0 and 1, and so does their sum")
        self._rates = rates
        if kind == "slow":
            self._slow_seconds = seconds

    def seed(self, seed: int) -> None:
        """What is drawn from now on."""
        self._random.seed(seed)

    def off(self) -> None:
        """Nothing goes wrong any more; what has, stays in `injected`."""
        self._waiting.clear()
        self._rates.clear()

    def close(self) -> None:
        """Ends the slow answers under way."""
        self._closed.set()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def draw(self, operation: str) -> Fault | None:
        """The fault of one call, recorded as injected."""
        fault = self._next_waiting(operation) or self._rolled(operation)
        if fault is not None:
            self.injected.append(fault)
        return fault

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The middleware: `Middleware(faults.wrap)`."""
        return _FaultMiddleware(app, self)

    def is_left_to_app(self, fault: Fault) -> bool:
        return fault.kind in self._left_to_app

    def answer(self, fault: Fault) -> Response:
        return self._answer(fault)

    async def wait(self, seconds: float) -> None:
        """`seconds`, or until the emulator stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            pass

    def _next_waiting(self, operation: str) -> Fault | None:
        for index, fault in enumerate(self._waiting):
            if fault.operation in (ANY, operation):
                del self._waiting[index]
                return Fault(fault.kind, operation, fault.seconds, fault.options)
        return None

    def _rolled(self, operation: str) -> Fault | None:
        if not self._rates:
            return None
        roll = self._random.random()
        for kind, probability in self._rates.items():
            if roll < probability:
                return Fault(kind, operation, self._slow_seconds)
            roll -= probability
        return None


def fault_of(scope: Mapping[str, Any]) -> Fault | None:
    """The fault that is left to the app for the request of this ASGI scope."""
    fault = scope.get("state", {}).get("fault")
    return fault if isinstance(fault, Fault) else None


class _FaultMiddleware:
    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = _operation(scope["app"].routes, scope) if scope["type"] == "http" else None
        fault = None if operation is None or operation.startswith("_") else self._faults.draw(operation)
        if fault is None:
            await self._app(scope, receive, send)
        elif self._faults.is_left_to_app(fault):
            scope.setdefault("state", {})["fault"] = fault
            await self._app(scope, receive, send)
        elif fault.kind == "slow":
            await self._faults.wait(fault.seconds)
            await self._app(scope, receive, send)
        else:
            if fault.kind.endswith("_after"):
                await self._app(scope, receive, _thrown_away)
            if fault.kind.startswith("cut"):
                await cut(scope, receive)
            else:
                await self._faults.answer(fault)(scope, receive, send)


async def cut(scope: Scope, receive: Receive) -> None:
    """Closes the connection with no answer; returns when it is closed."""
    extension = scope.get("extensions", {}).get(CUT)
    if extension is None:
        raise ConnectionResetError("cut")
    extension["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _thrown_away(_: Message) -> None:
    pass


def _check(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"no fault is called {kind!r}; there are {', '.join(KINDS)}")


def _operation(routes: Sequence[BaseRoute], scope: Scope) -> str | None:
    """The name of the route that the request will take."""
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is not Match.FULL:
            continue
        if isinstance(route, Mount):
            return _operation(route.routes, {**scope, **child_scope})
        return route.name if isinstance(route, Route) else None
    return None

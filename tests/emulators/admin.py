"""The same controls over HTTP that tests call in Python: `/_emulator/…`, JSON in and out, the same paths at every emulator.

GET  /_emulator/book               {"charges": […], "refunds": […], "disputes": […], "payouts": […]} as the control object tells them
POST /_emulator/control/{name}     the body's members are the arguments; answers {"result": …}
POST /_emulator/faults             {"once": {"kind", "operation"?, "times"?, "seconds"?, …}} | {"rate": {"kind", "probability", "seconds"?}}
                                   | {"seed": number} | {"off": true}
GET  /_emulator/faults             {"injected": {kind: {operation: how often}}}
POST /_emulator/deliveries         {"switches": {…}} | {"rate": {"switch", "probability", "delay_seconds"?}} | {"seed": number}
                                   | {"off": true} | {"resend": key} | {"hold": true} | {"release": true} | {"flush": true}
GET  /_emulator/deliveries         {"outstanding", "attempts": [{key, url, number, status, error, accepted, forged, stale}, the last 1000],
                                   "dropped": [keys], "disturbed": {switch: how often by its rate}}
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, is_dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.emulators.deliveries import Deliveries, Switches
from tests.emulators.faults import Faults

_ATTEMPTS_SHOWN: Final = 1_000
_BOOK: Final = ("charges", "refunds", "disputes", "payouts")


def admin_routes(control: object, actions: Collection[str], deliveries: Deliveries, faults: Faults) -> list[Route]:
    """`actions`: the methods of `control` that may be called over HTTP (async ones are awaited); their results are dataclasses or JSON."""

    async def book(_: Request) -> Response:
        return JSONResponse({name: plain(getattr(control, name)()) for name in _BOOK if hasattr(control, name)})

    async def act(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in actions:
            return _refused(404, f"no such control; there are {', '.join(sorted(actions))}")
        method: Callable[..., Any] = getattr(control, name)
        arguments = await _arguments(request)
        try:
            inspect.signature(method).bind(**arguments)
        except TypeError as error:
            return _refused(400, f"{name}: {error}")
        result = method(**arguments)
        return JSONResponse({"result": plain(await result if isinstance(result, Awaitable) else result)})

    async def fault(request: Request) -> Response:
        for name, arguments in (await _arguments(request)).items():
            if name == "once":
                faults.once(**arguments)
            elif name == "rate":
                faults.rate(**arguments)
            elif name == "seed":
                faults.seed(arguments)
            elif name == "off":
                faults.off()
            else:
                return _refused(400, "one of once, rate, seed, off")
        return JSONResponse({"result": None})

    async def injected(_: Request) -> Response:
        told: dict[str, Counter[str]] = {}
        for fault in faults.injected:
            told.setdefault(fault.kind, Counter())[fault.operation] += 1
        return JSONResponse({"injected": told})

    async def deliver(request: Request) -> Response:
        for name, arguments in (await _arguments(request)).items():
            if name == "switches":
                deliveries.switches = Switches(**arguments)
            elif name == "rate":
                deliveries.rate(**arguments)
            elif name == "seed":
                deliveries.seed(arguments)
            elif name == "resend":
                deliveries.resend(arguments)
            elif name == "flush":
                await deliveries.flush()
            elif name in ("off", "hold", "release"):
                getattr(deliveries, name)()
            else:
                return _refused(400, "one of switches, rate, seed, off, resend, hold, release, flush")
        return JSONResponse({"result": None})

    async def delivered(_: Request) -> Response:
        shown = list(deliveries.attempts)[-_ATTEMPTS_SHOWN:]
        attempts = [
            {"key": one.key, "url": one.url, "status": one.status, "error": one.error, "accepted": one.accepted}
            | {"number": one.attempt.number, "forged": one.attempt.forged, "stale": one.attempt.stale}
            for one in shown
        ]
        told = {"outstanding": deliveries.outstanding, "attempts": attempts}
        return JSONResponse(told | {"dropped": list(deliveries.dropped), "disturbed": deliveries.disturbed})

    return [
        Route("/_emulator/book", book, name="_book"),
        Route("/_emulator/control/{name}", _telling(act), methods=["POST"], name="_control"),
        Route("/_emulator/faults", injected, name="_injected"),
        Route("/_emulator/faults", _telling(fault), methods=["POST"], name="_faults"),
        Route("/_emulator/deliveries", delivered, name="_delivered"),
        Route("/_emulator/deliveries", _telling(deliver), methods=["POST"], name="_deliveries"),
    ]


def plain(value: Any) -> Any:
    """Dataclasses, and lists of them, as JSON has them."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


async def _arguments(request: Request) -> dict[str, Any]:
    # Pages of other sites are kept out by the type, since a browser asks before it sends JSON elsewhere; and those that call this machine
    # by a name of their own by what a browser says of them.
    if "origin" in request.headers:
        raise ValueError("not from a page in a browser")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("send application/json")
    arguments = await request.json()
    if not isinstance(arguments, dict):
        raise ValueError("send a JSON object")
    return arguments


def _telling(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What a control refuses is the caller's to read."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ValueError, KeyError, TypeError, LookupError, TimeoutError) as error:
            return _refused(400, f"{type(error).__name__}: {error}")

    return guarded


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)

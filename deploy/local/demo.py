"""`make demo`: the main job from nothing, told line by line: a top-up reaches the balance and the open socket, and the book adds up."""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from deploy.local.checkout import CACHE, DEMO, only_one, read_settings
from deploy.local.errors import LocalError
from deploy.local.places import forget_folder
from deploy.local.stack import Stack
from deploy.local.verify import run_verifier

_STEP_SECONDS = 30.0
_AGAIN_SECONDS = 0.2
_AMOUNT = 2000
_AMOUNT_MINOR = 200_000
_CURRENCY = "rsd"


class Story:
    """Prints what happened, when, and how long it took."""

    def __init__(self) -> None:
        self.step = "start"
        self._begun = self._last = time.monotonic()

    def tell(self, what: str, facts: str = "") -> None:
        """One line: the time, seconds since the last line, what happened, ids."""
        now = time.monotonic()
        clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        print(f"{clock}  +{now - self._last:6.3f} s  {what:<34} {facts}".rstrip(), flush=True)
        self._last = now

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begun


def main() -> None:
    """Exit status 0 when every step did what it should; else 1 with the step, the reason and where the logs are."""
    argparse.ArgumentParser(prog="python -m deploy.local.demo", description=__doc__).parse_args()
    story = Story()
    try:
        with only_one(DEMO, "The demo"):
            asyncio.run(_until_told(_demo(story)))
    except LocalError as error:
        print(f"demo failed at: {story.step}: {error}; logs are in {DEMO / 'logs'}", file=sys.stderr)
        raise SystemExit(1) from None
    story.step = "end"
    story.tell("demo complete: all stopped", f"{story.seconds:.1f} s in all")


async def _until_told(work: Any) -> None:
    """Ctrl-C and SIGTERM end the work in order: what was started is stopped."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        raise LocalError("stopped by a signal") from None


async def _demo(story: Story) -> None:
    forget_folder(DEMO / "postgres" / "server")  # each demo starts from nothing
    forget_folder(DEMO / "rabbitmq" / "node")
    for name in ("logs", "postgres", "rabbitmq"):
        shutil.rmtree(DEMO / name, ignore_errors=True)
    given = read_settings()
    servers: dict[str, str] = {name: given[name] for name in ("DATABASE_URL", "AMQP_URL") if name in given}
    stack = Stack(DEMO, servers, cache=CACHE, say=story.tell)
    story.step = "starting the servers and the four services"
    async with stack:
        story.tell("four services ready", stack.gateway_url)
        await _top_up(story, stack)
        story.step = "checking the book"
        story.tell("the book adds up", await _verify(stack))
        story.step = "stopping"


async def _top_up(story: Story, stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=f"{stack.gateway_url}/api/v1", timeout=_STEP_SECONDS, trust_env=False) as client:
        story.step = "log in as testuser"
        login = await _call(client, "POST", "/auth/login", {"login": "testuser", "password": "testuser"})
        client.headers["Authorization"] = f"Bearer {login['access_token']}"
        client.cookies.clear()
        me = await _call(client, "GET", "/me")
        story.tell("logged in as testuser", f"user {me.get('user_id') or me.get('id')}")

        story.step = "open the socket"
        ticket = await _call(client, "POST", "/stream/ticket")
        try:
            async with connect(ticket["url"], proxy=None, open_timeout=_STEP_SECONDS) as socket:
                await _watch_top_up(story, client, socket)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise LocalError(f"the socket failed: {str(error) or type(error).__name__}") from error
        except ExceptionGroup as failures:
            raise LocalError("; ".join(str(failure) or type(failure).__name__ for failure in failures.exceptions)) from failures


async def _watch_top_up(story: Story, client: httpx.AsyncClient, socket: ClientConnection) -> None:
    snapshot = await _frame(socket, "balance.snapshot")
    before = next((item["available_minor"] for item in snapshot["balances"] if item["currency"] == _CURRENCY), 0)
    story.tell("socket open, snapshot received", f"{_CURRENCY} {before / 100:.2f}")

    story.step = f"deposit {_AMOUNT} {_CURRENCY}"
    order = {"amount": _AMOUNT, "currency": _CURRENCY, "method": "mock"}
    deposit = await _call(client, "POST", "/balance/deposit", order, key=str(uuid.uuid4()), until="pending")
    payment_id, session_id = deposit["payment_id"], deposit["session_id"]
    story.tell(f"deposit of {_AMOUNT} {_CURRENCY} opened", f"payment {payment_id}, session {session_id}")

    story.step = "complete the deposit"
    done = {"session_id": session_id, "amount": _AMOUNT, "outcome": "success"}
    sent = time.monotonic()
    async with asyncio.TaskGroup() as both:
        listening = both.create_task(_frame_and_time(socket, "balance.updated"))
        both.create_task(_call(client, "POST", "/balance/mock/complete", done, until="completed"))
    frame, arrived = listening.result()
    story.tell("deposit completed by the mock", f"payment {payment_id}")

    story.step = "balance.updated on the socket"
    if frame["payment_id"] != payment_id or frame["available_minor"] != before + _AMOUNT_MINOR:
        raise LocalError(f"expected payment {payment_id} and {before + _AMOUNT_MINOR} minor, got {json.dumps(frame, default=str)}")
    facts = f"{_CURRENCY} {frame['available']}, version {frame['version']}, {arrived - sent:.3f} s after the click"
    story.tell("balance.updated on the socket", facts)

    story.step = "GET /balance"
    balance = await _call(client, "GET", f"/balance?currency={_CURRENCY}")
    if (balance["available_minor"], balance["version"]) != (frame["available_minor"], frame["version"]):
        raise LocalError(f"the balance {json.dumps(balance, default=str)} is not the frame's {json.dumps(frame, default=str)}")
    story.tell("GET /balance agrees", f"{_CURRENCY} {balance['available']}, version {balance['version']}")


async def _call(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    key: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """The answer's object. With `until`, a 202 or another status is asked again, as the contract allows, until the time is over."""
    headers = {"Idempotency-Key": key} if key else {}
    deadline = time.monotonic() + _STEP_SECONDS
    while True:
        try:
            answer = await client.request(method, path, json=body, headers=headers)
            found: dict[str, Any] = answer.json(parse_float=Decimal) if answer.content else {}
        except (httpx.HTTPError, ValueError) as error:
            raise LocalError(f"{method} {path}: {str(error) or type(error).__name__}") from error
        if answer.status_code not in (200, 201, 202, 409, 503) or (until is None and answer.status_code >= 300):
            raise LocalError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        if answer.status_code in (200, 201) and (until is None or found.get("status") == until):
            return found
        if time.monotonic() > deadline:
            raise LocalError(f"{method} {path}: still {answer.status_code} {answer.text[:500]} after {_STEP_SECONDS:.0f} s")
        await asyncio.sleep(_AGAIN_SECONDS)


async def _frame(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of the kind; others are passed over."""
    async with asyncio.timeout(_STEP_SECONDS):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv(), parse_float=Decimal)
            if frame["type"] == kind:
                return frame


async def _frame_and_time(socket: ClientConnection, kind: str) -> tuple[dict[str, Any], float]:
    frame = await _frame(socket, kind)
    return frame, time.monotonic()


async def _verify(stack: Stack) -> str:
    assert stack.database_urls is not None
    logins = {"VERIFIER_DATABASE_URL": stack.database_urls.verifier, "AMQP_URL": stack.amqp_url}
    code, output = await run_verifier(logins, timeout_seconds=_STEP_SECONDS)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if code != 0:
        raise LocalError(f"verify ended with status {code}: {' | '.join(lines[-5:])}")
    return lines[-1] if lines else ""


if __name__ == "__main__":
    main()

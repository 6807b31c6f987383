"""`make demo`: the main jobs from nothing, told line by line: money in, back and out, each on the open socket, and the book adds up."""

import argparse
import asyncio
import shutil
import signal
import sys
import time
from datetime import datetime
from typing import Any

from deploy.local.checkout import CACHE, DEMO, only_one, read_settings
from deploy.local.demo_steps import STEP_SECONDS, logged_in, open_page, refund, top_up, withdraw
from deploy.local.errors import LocalError
from deploy.local.places import forget_folder
from deploy.local.stack import Stack
from deploy.local.verify import run_verifier


class Story:
    """Prints what happened, when, and how long it took."""

    def __init__(self) -> None:
        self.step = "start"
        self._begun = self._last = time.monotonic()

    def tell(self, what: str, facts: str = "") -> None:
        """One line: the time, seconds since the last line, what happened, ids."""
        now = time.monotonic()
        clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        print(f"{clock}  +{now - self._last:6.3f} s  {what:<37} {facts}".rstrip(), flush=True)
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
        await _walk(story, stack)
        story.step = "checking the book"
        story.tell("the book adds up", await _verify(stack))
        story.step = "stopping"


async def _walk(story: Story, stack: Stack) -> None:
    story.step = "log in as testuser and admin"
    async with logged_in(stack.gateway_url, "testuser") as person, logged_in(stack.gateway_url, "admin") as admin:
        story.tell("testuser and admin are logged in", f"users {person.user_id} and {admin.user_id}")
        story.step = "open the socket"
        async with open_page(person) as page:
            await page.frame("balance.snapshot")
            story.tell("testuser's page is open", "first frame: balance.snapshot")
            payment_id = await top_up(story, person, page)
            await refund(story, admin, person, page, payment_id)
            await withdraw(story, admin, person, page)


async def _verify(stack: Stack) -> str:
    assert stack.database_urls is not None
    logins = {"VERIFIER_DATABASE_URL": stack.database_urls.verifier, "AMQP_URL": stack.amqp_url}
    code, output = await run_verifier(logins, timeout_seconds=STEP_SECONDS)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if code != 0:
        raise LocalError(f"verify ended with status {code}: {' | '.join(lines[-5:])}")
    return lines[-1] if lines else ""


if __name__ == "__main__":
    main()

"""`make run`: the whole stack on this machine, left running until Ctrl-C, what dies started again."""

import argparse
import asyncio
import signal
import sys
from urllib.parse import urlsplit

from deploy.local.checkout import CACHE, LOCAL, only_one, read_settings
from deploy.local.errors import LocalError
from deploy.local.processes import Echo
from deploy.local.rabbitmq import USER
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from deploy.local.stand_ins import TIME_SCALE, needed
from deploy.local.terminal import Terminal

_DEFAULT_PORTS = {"GATEWAY_PORT": "8000", "NOTIFIER_PORT": "8001"}
# PostgreSQL's, RabbitMQ's and the stand-ins' words; PostgreSQL's ERROR is a statement of a service, which reports it itself.
_ERRORS = (" PANIC: ", "[error]", "[critical]", "BOOT FAILED", "emulators: ", "Traceback")
_EPILOG = """\
Settings come from the environment or .env; the ones that matter here:
  GATEWAY_PORT, NOTIFIER_PORT   8000, 8001
  PAYMENTS_PORT, WALLET_PORT    health and metrics; free ports unless set
  DATABASE_URL, AMQP_URL        use these servers (DATABASE_URL: an administrator's login) and start none
  BIND_HOST                     127.0.0.1
  PROVIDERS                     stripe, allsecure, prodamus, mock; of those without credentials a stand-in is started, not in production
State, passwords and logs are kept under .local/; `make clean` deletes them.
"""


def main() -> None:
    """Exit status 0 after a stop, 1 with one line that says why it cannot start or go on."""
    argparse.ArgumentParser(
        prog="python -m deploy.local.run",
        description="Starts PostgreSQL, RabbitMQ and the four services, and keeps them running until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    terminal = Terminal()
    try:
        with only_one(LOCAL, "Purser"):
            asyncio.run(_run(terminal))
    except LocalError as error:
        print(f"purser: {error}", file=sys.stderr)
        raise SystemExit(1) from None


async def _run(terminal: Terminal) -> None:
    settings = _DEFAULT_PORTS | read_settings()
    stack = Stack(
        LOCAL,
        settings,
        cache=CACHE,
        inherit=True,
        supervised=True,
        stand_ins=needed(settings),
        say=terminal.say,
        echo=_without_chatter(terminal.echo),
    )
    told = asyncio.Event()

    def stop() -> None:
        if told.is_set():  # a second Ctrl-C: the user has no time
            stack.kill_at_once()
        else:
            terminal.say("stopping")
            told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    running = asyncio.create_task(_start_and_watch(stack, terminal))
    stopping = asyncio.create_task(told.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # ends by failing only
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
        await stack.stop()
        terminal.say("stopped")


async def _start_and_watch(stack: Stack, terminal: Terminal) -> None:
    terminal.say(f"starting; logs are in {stack.logs}")
    await stack.start()
    terminal.plain(_addresses(stack))
    await stack.supervisor.failed()


def _without_chatter(echo: Echo) -> Echo:
    """Of the servers and stand-ins, errors alone reach the terminal (all is in their logs); of the services, everything."""

    def pass_on(name: str, line: str) -> None:
        if name in SERVICES or any(mark in line for mark in _ERRORS):
            echo(name, line)

    return pass_on


def _addresses(stack: Stack) -> str:
    own_postgres, own_rabbitmq = stack.owns
    settings = stack.settings
    gateway = settings.get("PUBLIC_URL") or f"http://localhost:{settings['GATEWAY_PORT']}"
    socket = settings.get("NOTIFIER_PUBLIC_URL") or f"ws://localhost:{settings['NOTIFIER_PORT']}"
    rows = [
        ("gateway", f"{gateway}/en/login (testuser, password testuser)"),
        ("API docs", f"{gateway}/docs"),
        ("socket", f"{socket}/ws"),
        ("payments", f"{stack.service('payments').url}/metrics"),
        ("wallet", f"{stack.service('wallet').url}/metrics"),
        (
            "RabbitMQ",
            f"{stack.rabbitmq.management_url}/ (user {USER}, password {stack.rabbitmq.password})"
            if own_rabbitmq
            else _without_login(stack.amqp_url),
        ),
        ("PostgreSQL", stack.admin_database_url if own_postgres else _without_login(stack.admin_database_url)),
        *((name, f"MOCK MODE: played by the stand-in at {stack.stand_ins.url(name)}/_emulator/book") for name in stack.stand_ins.names),
        ("logs", str(stack.logs)),
    ]
    lines = [f"  {name:<11} {address}" for name, address in rows]
    if stack.stand_ins.names:
        lines += ["", f"Stand-ins move no money, forget all when they stop, and repeat webhooks {1 / TIME_SCALE:.0f} times as fast."]
    return "\n".join(["", "Purser is running; Ctrl-C stops it.", *lines, ""])


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


if __name__ == "__main__":
    main()

"""`python -m tests.emulators --stripe 12111 --webhooks-to http://localhost:8000`: the emulators that are named, until Ctrl-C.

Their credentials are those that the merchant's settings name in the environment (STRIPE_SECRET_KEY, …), else those of tests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from typing import Final

from tests.emulators.sandbox import EMULATORS, LiveKeyError
from tests.emulators.server import Emulator, EmulatorServer

# Where each provider's webhooks go below --webhooks-to, as the gateway has them.
_WEBHOOK_PATH: Final = "/api/v1/webhooks/{provider}"


def main() -> None:
    """Exit status 0 after a stop, 1 with one line when a port cannot be used, 2 with one line in production, with a live key or without
    a name."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators", description=__doc__)
    for name in EMULATORS:
        parser.add_argument(f"--{name}", type=int, metavar="PORT", help="0: a free one")
    parser.add_argument("--webhooks-to", metavar="URL", help="the gateway's address; without it, no webhooks")
    # Not the same every time: who tries the providers keeps their identifiers in a database that outlives this process.
    parser.add_argument("--seed", type=int, help="of what is drawn at random; another each time unless given")
    parser.add_argument(
        "--time-scale", type=float, default=1.0, help="1.0: the providers' own retry waits; 0.001: seconds become milliseconds"
    )
    parser.add_argument("--verbose", action="store_true", help="one line a request on stderr")
    options = parser.parse_args()
    if os.environ.get("ENVIRONMENT") == "production":
        print("emulators: refused, ENVIRONMENT is production", file=sys.stderr)
        raise SystemExit(2)
    ports = {name: getattr(options, name) for name in EMULATORS if getattr(options, name) is not None}
    if not ports:
        parser.error(f"name at least one of {', '.join('--' + name for name in EMULATORS)}")
    try:
        asyncio.run(_run(ports, options))
    except LiveKeyError as error:
        print(f"emulators: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"emulators: {error.strerror or error}", file=sys.stderr)
        raise SystemExit(1) from None


async def _run(ports: dict[str, int], options: argparse.Namespace) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with AsyncExitStack() as exits:
        for name, port in ports.items():
            server = EmulatorServer(_emulator(name, options), port=port, verbose=options.verbose)
            await exits.enter_async_context(server)
            print(f"{name}: {server.url}", flush=True)
        await told.wait()


def _emulator(name: str, options: argparse.Namespace) -> Emulator:
    webhooks_to = None
    if options.webhooks_to:
        webhooks_to = options.webhooks_to.rstrip("/") + _WEBHOOK_PATH.format(provider=name)
    return EMULATORS[name](os.environ, webhooks_to, options.seed, options.time_scale)


if __name__ == "__main__":
    main()

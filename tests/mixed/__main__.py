"""`python -m tests.mixed --payments 1000 --seed 7`: one run on servers of its own, which are stopped and deleted afterwards.

Progress goes to stderr, the report to stdout. Exit status: 0 the books agree, 1 they differ or something did not come to rest.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from deploy.local.stack import Stack
from deploy.local.stand_ins import NAMES
from tests.mixed.kills import kill_twice
from tests.mixed.plan import draw
from tests.mixed.run import run
from tests.mixed.world import settings
from tests.servers import CACHE, throwaway_folder

_LIMIT_SECONDS: Final = 3_600.0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mixed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=1_000, help="how many; default 1000")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="of all that is drawn; default: a new one")
    parser.add_argument("--faults", type=float, default=5.0, metavar="PERCENT", help="of each kind; default 5")
    parser.add_argument("--at-once", type=int, default=10, help="payments that are being opened at the same time; default 10")
    parser.add_argument("--ttl", type=int, default=40, metavar="SECONDS", help="how long a payment can be paid; default 40")
    parser.add_argument("--kill", action="store_true", help="kill payments and gateway twice meanwhile")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and data there, for looking at")
    options = parser.parse_args()
    if not 1 <= options.payments <= 10_000 or not 0 <= options.faults <= 12 or not 1 <= options.at_once <= 100:
        parser.error("1 to 10000 payments, 0 to 12 percent (there are eight kinds), 1 to 100 at once")
    raise SystemExit(asyncio.run(_main(options)))


async def _main(options: argparse.Namespace) -> int:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"mixed {time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    plan = draw(options.payments, options.seed)
    say(f"{options.payments} payments, --seed {options.seed}")
    async with AsyncExitStack() as exits, asyncio.timeout(_LIMIT_SECONDS):
        folder = options.keep or await exits.enter_async_context(throwaway_folder("mixed"))
        folder.mkdir(parents=True, exist_ok=True)
        given = settings(options.ttl, folder / "products.toml")
        stack = Stack(folder, given, cache=CACHE, durable=False, stand_ins=NAMES, supervised=options.kill, say=say)
        try:
            await stack.start()
            say("the stack is ready")
            meanwhile = kill_twice if options.kill else None
            report = await run(stack, plan, fault_rate=options.faults / 100, at_once=options.at_once, meanwhile=meanwhile, say=say)
        finally:
            await (stack.stop() if options.keep else stack.remove())
    print("\n".join(report.lines()))
    return 1 if report.found else 0


if __name__ == "__main__":
    main()

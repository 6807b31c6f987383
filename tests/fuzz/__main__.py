"""`make fuzz`: other cases than the test's, for as long as ARGS says (`make fuzz ARGS="--seconds 3600 --seed 7"`); servers of its own."""

from __future__ import annotations

import argparse
import asyncio
import secrets

from tests.flow.verifying import verify
from tests.fuzz.run import SETTINGS, furnish, fuzz
from tests.servers import separate_stack


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="how long it asks; default 300")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="repeats a run's cases; default: a new one")
    options = parser.parse_args()
    async with separate_stack(SETTINGS) as stack:
        await furnish(stack)
        print(f"fuzz: {options.seconds} s with --seed {options.seed}", flush=True)
        arguments = ("--seed", str(options.seed), "--max-examples", "100", "--max-time", str(options.seconds))
        status, output = await fuzz(stack, *arguments, timeout_seconds=options.seconds + 300)
        book, told = await verify(stack, "--settle-seconds", "20")
    print(output, told, sep="\n")
    return status or book


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))

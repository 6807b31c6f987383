"""Payments and gateway die while payments are made, twice each; the supervisor starts them again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from deploy.local.errors import LocalError
from deploy.local.stack import Stack
from tests.mixed.world import World

_VICTIMS: Final = ("payments", "gateway", "payments", "gateway")
_READY_SECONDS: Final = 90.0


async def kill_twice(world: World) -> None:
    """Each back before the next falls, at even distances of what has been begun."""
    total = len(world.plan.stories)
    for number, victim in enumerate(_VICTIMS, start=1):
        while len(world.records) < number * total // (len(_VICTIMS) + 1):
            await asyncio.sleep(0.02)
        await world.stack.kill(victim)
        await _is_back(world.stack, victim)


async def _is_back(stack: Stack, victim: str) -> None:
    """The process that was killed is not the one that is waited for."""
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            with suppress(LocalError):
                if stack.service(victim).child.running:
                    await stack.wait_ready(victim)
                    return
            await asyncio.sleep(0.05)

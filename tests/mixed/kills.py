"""Payments and gateway die while payments are made, twice each; the supervisor starts them again."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.mixed.world import World

_VICTIMS: Final = ("payments", "gateway", "payments", "gateway")
_READY_SECONDS: Final = 90.0


async def kill_twice(world: World) -> None:
    """Each back before the next falls, at even distances of what has been begun."""
    total = len(world.plan.stories)
    for number, victim in enumerate(_VICTIMS, start=1):
        while len(world.records) < number * total // (len(_VICTIMS) + 1):
            await asyncio.sleep(0.05)
        await world.stack.kill(victim)
        await world.stack.wait_ready(victim, timeout_seconds=_READY_SECONDS)

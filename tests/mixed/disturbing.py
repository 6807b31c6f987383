"""The weather: faults of every kind at the providers' APIs and webhooks, set over their admin HTTP, and what came of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any, Final

import httpx

from tests.flow.payers import Provider
from tests.mixed.world import World

FAULTS: Final = ("429", "500_before", "500_after", "503", "504_after", "cut_before", "cut_after", "slow")
SWITCHES: Final = ("duplicate", "reorder", "delay", "drop", "forged", "stale")
_SLOW_SECONDS: Final = 1.0
_DELAY_SECONDS: Final = 3.0
_CALM_SECONDS: Final = 60.0


async def disturb(world: World, probability: float) -> None:
    """Each kind at each provider with this probability, drawn from the plan's seed."""
    chance = random.Random(world.plan.seed)
    for provider in world.providers.values():
        await _post(provider, "faults", seed=chance.getrandbits(32))
        await _post(provider, "deliveries", seed=chance.getrandbits(32))
        for kind in FAULTS:
            await _post(provider, "faults", rate={"kind": kind, "probability": probability, "seconds": _SLOW_SECONDS})
        for switch in SWITCHES:
            await _post(provider, "deliveries", rate={"switch": switch, "probability": probability, "delay_seconds": _DELAY_SECONDS})


async def calm(world: World) -> None:
    """Nothing goes wrong any more, and every webhook that was not dropped has come."""
    for provider in world.providers.values():
        await _post(provider, "faults", off=True)
        await _post(provider, "deliveries", off=True)
    await flush(world)


async def flush(world: World) -> None:
    """Ends the waits of what is outstanding until nothing is. TimeoutError."""
    async with asyncio.timeout(_CALM_SECONDS):
        for provider in world.providers.values():
            # It refuses when that takes long. What waits for its turn is not outstanding yet, so it is asked at least once.
            while (await provider.http.post("/_emulator/deliveries", json={"flush": True})).status_code != 200:
                pass


async def dropped(provider: Provider) -> list[str]:
    """The keys of webhooks that were never sent."""
    return list((await _told(provider, "deliveries"))["dropped"])


async def resend(world: World) -> int:
    """By hand, at the providers' own sites: everything that was dropped; how much that was."""
    count = 0
    for provider in world.providers.values():
        for key in await dropped(provider):
            await _post(provider, "deliveries", resend=key)
            count += 1
    await flush(world)
    return count


async def injected(world: World) -> dict[str, dict[str, int]]:
    """By provider: how often each fault and each disturbance happened."""
    return {
        name: dict(
            Counter({kind: sum(by.values()) for kind, by in (await _told(provider, "faults"))["injected"].items()})
            + Counter((await _told(provider, "deliveries"))["disturbed"])
        )
        for name, provider in world.providers.items()
    }


async def _post(provider: Provider, what: str, **commands: Any) -> None:
    answer = await provider.http.post(f"/_emulator/{what}", json=commands)
    assert answer.status_code == 200, answer.text


async def _told(provider: Provider, what: str) -> dict[str, Any]:
    answer: httpx.Response = await provider.http.get(f"/_emulator/{what}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told

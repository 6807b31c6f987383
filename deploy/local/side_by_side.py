"""Several waits at once, of which the first failure is the whole's."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def side_by_side(*waits: Coroutine[Any, Any, None]) -> None:
    """Runs them side by side; the first failure cancels the others and is raised itself, not as a group."""
    try:
        async with asyncio.TaskGroup() as group:
            for wait in waits:
                group.create_task(wait)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None

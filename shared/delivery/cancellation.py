"""Tells the library's cancellation from ours: aio-pika (10.2) cancels whoever waits on a line that it gives up, as if we had."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancelled_by_library(told_as: Exception) -> Iterator[None]:
    """A cancellation in here that nobody asked this task for is raised as `told_as`; else the task that waited would end in silence."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise told_as from error

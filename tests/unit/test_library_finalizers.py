"""What a library leaves to the garbage collector fails no test that has nothing to do with it."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings

from aio_pika.connection import Connection
from yarl import URL


def test_a_connection_that_was_never_closed_is_collected_silently_outside_of_a_loop() -> None:
    loop = asyncio.new_event_loop()
    held = [Connection(URL("amqp://nobody@127.0.0.1/"), loop=loop)]

    def forget() -> None:
        held.clear()
        gc.collect()

    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            # A thread of its own has no loop at all, whatever ran in this one before.
            collector = threading.Thread(target=forget)
            collector.start()
            collector.join()
        assert [str(warning.message) for warning in told if "never awaited" in str(warning.message)] == []
    finally:
        loop.close()

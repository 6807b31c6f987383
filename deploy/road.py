"""Prints the road as a picture made of topology.py: who sends what, through which exchange and queue, to whom (`python -m deploy.road`)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from shared.contracts.topology import (
    DEAD_LETTERS,
    DELAYS_SECONDS,
    DELIVERY_LIMIT,
    ENVELOPE_EVENTS,
    MAX_ATTEMPTS,
    MAX_WAITS,
    ROUTES,
    Queue,
    Route,
    work_queues,
)

BEGIN: Final = "<!-- road -->"
END: Final = "<!-- /road -->"
README: Final = Path(__file__).resolve().parent.parent / "README.md"


def picture() -> str:
    """Some eighty lines of text, at most 140 wide, without a last line end."""
    return "\n".join([*_hops(), "", *_queues(), "", *_failures()])


def in_markdown() -> str:
    """The picture as it stands in README.md, from marker to marker."""
    return f"{BEGIN}\n```text\n{picture()}\n```\n{END}"


def written_into(text: str) -> str:
    """`text` with what stands between the markers replaced; ValueError when it has not exactly one pair of them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"needs one {BEGIN} and one {END} after it")
    return before + in_markdown() + after


def _hops() -> Iterator[str]:
    legs = [(", ".join(route.producers), route.exchange, queue, route) for route in ROUTES for queue in route.queues]
    places = [(producers, exchange, queue) for producers, exchange, queue, _ in legs]
    legs.sort(key=lambda leg: places.index(leg[:3]))
    for (producers, exchange, queue), group in groupby(legs, key=lambda leg: leg[:3]):
        yield f"{producers} ──▶ ({exchange.name}) ──▶ [{_shown(queue)}] ──▶ {queue.consumer}"
        for route in (leg[3] for leg in group):
            yield f"    {route.key}{_nature(route)}"


def _nature(route: Route) -> str:
    if route.bulk:
        return f", 1 to {ENVELOPE_EVENTS} in an envelope"
    return f" ◀── {' | '.join(route.answers)}" if route.answers else ""


def _queues() -> Iterator[str]:
    queues = tuple(dict.fromkeys(queue for route in ROUTES for queue in route.queues))
    width = max(len(_shown(queue)) for queue in queues)
    for queue in queues:
        yield f"[{_shown(queue)}]".ljust(width + 3) + ", ".join(_limits(queue))


def _limits(queue: Queue) -> Iterator[str]:
    arguments = queue.arguments
    yield str(arguments["x-queue-type"]) + (", the process's own" if queue.exclusive else "")
    full = "refuses when full" if arguments["x-overflow"] == "reject-publish" else "drops the oldest when full"
    yield f"{queue.max_length:_} at most, {full}".replace("_", " ")
    if "x-message-ttl" in arguments:
        yield f"forgets after {int(arguments['x-message-ttl']) // 1000} s"
    yield f"prefetch {queue.prefetch}"


def _failures() -> Iterator[str]:
    names = [queue.name for queue in work_queues()]
    delays = ", ".join(f"[retry.{seconds}s]" for seconds in DELAYS_SECONDS)
    yield f"failed once   ──▶ {delays} ──▶ back to its queue"
    yield f"not its time  ──▶ the same, for a day ({MAX_WAITS} times)"
    yield f"{MAX_ATTEMPTS} times or unreadable, with reason and attempts, or handed out more than {DELIVERY_LIMIT} times"
    yield f"              ──▶ ({DEAD_LETTERS.name}) ──▶ [<queue>.dead] of"
    yield f"                  {', '.join(names)}"


def _shown(queue: Queue) -> str:
    return f"{queue.name}.<replica>" if queue.exclusive else queue.name


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.road", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put it between the markers of {README.name}")
    if parser.parse_args().write:
        README.write_text(written_into(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(picture())


if __name__ == "__main__":
    main()

"""Mixed payments at Stripe, AllSecure and Prodamus on bad days: afterwards the providers' books, ours and every told status agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.stack import Stack
from deploy.local.stand_ins import NAMES
from tests.mixed.disturbing import FAULTS, SWITCHES
from tests.mixed.kills import kill_twice
from tests.mixed.plan import draw
from tests.mixed.run import Report, run
from tests.mixed.world import Patience, settings
from tests.servers import shared_stack

SMALL, LARGE = 120, 1_000
SOON_SECONDS, LATER_SECONDS = 6, 40
HURRIED = Patience(opening_seconds=5, known_seconds=8)


@asynccontextmanager
async def stack_of(
    postgres: PostgresServer, rabbitmq: RabbitmqServer, folder: Path, ttl_seconds: int, *, supervised: bool = False
) -> AsyncIterator[Stack]:
    given = settings(ttl_seconds, folder / "products.toml")
    async with shared_stack(postgres, rabbitmq, given, stand_ins=NAMES, supervised=supervised) as stack:
        yield stack


def is_good(report: Report) -> bool:
    print("\n".join(report.lines()))
    return report.found == []


@pytest.mark.timeout(180)
async def test_a_hundred_and_twenty_mixed_payments_on_a_bad_day(
    postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer, tmp_path: Path
) -> None:
    async with stack_of(postgres_server, rabbitmq_server, tmp_path, SOON_SECONDS) as stack:
        report = await run(stack, draw(SMALL, seed=5), at_once=12, rest_seconds=90, patience=HURRIED)
    assert is_good(report)
    assert sum(sum(kinds.values()) for kinds in report.injected.values()) > SMALL


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_same_while_payments_and_gateway_are_killed_twice(
    postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer, tmp_path: Path
) -> None:
    async with stack_of(postgres_server, rabbitmq_server, tmp_path, 20, supervised=True) as stack:
        report = await run(stack, draw(SMALL, seed=6), meanwhile=kill_twice)
    assert is_good(report)
    assert report.trouble.total() > report.trouble["202"], "no client noticed anything: nothing was killed in time"


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_a_thousand_mixed_payments_with_five_percent_of_every_fault(
    postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer, tmp_path: Path
) -> None:
    async with stack_of(postgres_server, rabbitmq_server, tmp_path, LATER_SECONDS) as stack:
        report = await run(stack, draw(LARGE, seed=7))
    assert is_good(report)
    for name in ("stripe", "allsecure"):
        assert [kind for kind in (*FAULTS, *SWITCHES) if not report.injected[name].get(kind)] == []
    assert [switch for switch in SWITCHES if not report.injected["prodamus"].get(switch)] == []

"""Random payments, refunds, withdrawals, disputes and transfers over HTTP: after each, what is told is what the model says."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from deploy.local.stack import Stack
from tests.flow.verifying import verify
from tests.servers import MakeStack
from tests.simulation.book import PLATFORM
from tests.simulation.machine import FEE_BPS, Simulation
from tests.simulation.site import Site
from tests.simulation.steps import WAIT_SECONDS, Ended, agreeing

SETTINGS = {"PLATFORM_FEE_BPS": str(FEE_BPS), "RPC_TIMEOUT_SECONDS": "20"}

RULES = {
    "another_request_under_its_key", "decide", "dispute", "finish", "is_canceled", "is_confirmed", "order_is_tried_again",
    "pay_for_a_session", "provider_tells", "refund", "repeat", "suspense_is_decided", "transfer", "withdraw",
}  # fmt: skip
# A few examples need not hit upon what few of the books have.
MOST_RULES = RULES - {"order_is_tried_again", "is_canceled", "suspense_is_decided"}


async def test_ten_examples_of_thirty_steps(make_stack: MakeStack) -> None:
    """The same ones each time."""
    await simulate(await make_stack(SETTINGS), examples=10, steps=30, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_a_hundred_examples_of_fifty_steps(make_stack: MakeStack) -> None:
    """Others each time; one that fails is shrunk and printed as steps."""
    await simulate(await make_stack(SETTINGS), examples=100, steps=50, derandomize=False)


async def simulate(stack: Stack, *, examples: int, steps: int, derandomize: bool) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        deadline=None,
        database=None,
        phases=[Phase.generate] if derandomize else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    ended: list[Ended] = []
    heard: Counter[tuple[str, str]] = Counter()
    with Site(stack) as site:

        class Here(Simulation):
            def __init__(self) -> None:
                super().__init__(site, ended, heard)

        await asyncio.to_thread(run_state_machine_as_test, Here, settings=chosen)
        expected = await asyncio.to_thread(at_rest, site, ended)
    status, output = await verify(stack, "--settle-seconds", "30")
    assert status == 0, output
    assert await platform_of(stack) == expected
    assert len(ended) >= examples
    assert {rule for rule, _ in heard} >= (MOST_RULES if derandomize else RULES), "what was not tried was not tested"


def at_rest(site: Site, ended: list[Ended]) -> Counter[tuple[str, str]]:
    """Waits until everything is through in each example; what is the platform's in all of them together, by account and currency."""
    platform: Counter[tuple[str, str]] = Counter()
    for example in ended:
        resting = [book for one in example.possible for book in one.become() if not book.under_way]
        (book, *others) = agreeing(site, resting, example.facts, example.currency, WAIT_SECONDS)
        assert all(other.accounts == book.accounts for other in others)
        assert sum(book.accounts.values()) == 0
        waiting = sum(one.amount for one in book.withdrawals.values() if one.status == "pending")
        assert waiting == sum(sum_minor for name, sum_minor in book.accounts.items() if name.startswith("held:"))
        platform.update({(account, example.currency): book.sum(account) for account in PLATFORM})
    return Counter({name: sum_minor for name, sum_minor in platform.items() if sum_minor})


async def platform_of(stack: Stack) -> Counter[tuple[str, str]]:
    """What the real book has on the platform's accounts."""
    admin = await asyncpg.connect(stack.admin_database_url)
    try:
        rows = await admin.fetch(
            """
            select account.kind, account.currency,
                   sum(case account_id when target_id then amount_minor else -amount_minor end)::bigint as sum_minor
            from wallet.transfers as transfer join wallet.accounts as account on account_id in (source_id, target_id)
            where account.kind not in ('user', 'held') group by 1, 2
            """
        )
    finally:
        await admin.close()
    return Counter({(row["kind"], row["currency"]): row["sum_minor"] for row in rows if row["sum_minor"]})

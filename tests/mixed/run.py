"""One run from the first payment to the verdict; what was asked, injected and found is in its report."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from deploy.local.services import PROJECT, base_environment
from deploy.local.stack import Stack
from deploy.local.verify import run_verifier
from deploy.prepare import DatabaseUrls
from tests.mixed import books, comparing, disturbing, operators, rest, sequels, statuses, stories
from tests.mixed.plan import Plan, Story
from tests.mixed.world import PATIENT, Patience, World, world

Say = Callable[[str], None]

_VERIFY_SECONDS: Final = 120.0
_COMPARE_SECONDS: Final = 120.0


@dataclass(slots=True)
class Report:
    """`found`: everything that should not be, a line each; none: the run is good."""

    plan: Plan
    seconds: dict[str, float] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    injected: dict[str, dict[str, int]] = field(default_factory=dict)
    resent: int = 0
    trouble: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        played = Counter(story.behaviour for story in self.plan.stories)
        return [
            f"{len(self.plan.stories)} payments, seed {self.plan.seed}: "
            + ", ".join(f"{name} {s:.0f} s" for name, s in self.seconds.items()),
            "payers: " + _told(played),
            "payments: " + _told(self.statuses),
            *(f"injected at {name}: {_told(Counter(kinds))}" for name, kinds in self.injected.items()),
            f"webhooks resent by hand at the end: {self.resent}",
            "clients were patient about: " + _told(self.trouble),
            *(f"{count} times: {note}" for note, count in self.notes.items()),
            *(f"FOUND: {one}" for one in self.found),
            "the books agree" if not self.found else f"{len(self.found)} DIFFERENCES",
        ]


async def run(
    stack: Stack,
    plan: Plan,
    *,
    fault_rate: float = 0.05,
    at_once: int = 10,
    rest_seconds: float = 300.0,
    patience: Patience = PATIENT,
    meanwhile: Callable[[World], Coroutine[Any, Any, None]] | None = None,
    say: Say = lambda _: None,
) -> Report:
    """`meanwhile`: something else that is done to the stack while payments are made."""
    report = Report(plan)
    async with world(stack, plan, patience) as made:
        clock = _Clock(report, say)
        await disturbing.disturb(made, fault_rate)
        others = [asyncio.create_task(meanwhile(made))] if meanwhile else []
        report.found += await _play(made, at_once, say)
        await asyncio.gather(*others)
        clock.lap("payments")
        report.injected = await disturbing.injected(made)
        await disturbing.calm(made)
        await operators.settle_what_is_pending(made)
        await disturbing.calm(made)
        await _rest(made, report, rest_seconds)
        clock.lap("first rest")
        # Nothing that was dropped has been sent again: what can be asked about has been asked about.
        unasked = comparing.charges(await books.theirs(made), await books.ours(made), comparing.ASKABLE)
        report.found += [f"before any webhook was resent: {one}" for one in unasked]
        await operators.mark_some_as_paid(made)
        report.resent = await disturbing.resend(made)
        await _rest(made, report, rest_seconds)
        await operators.decide_suspense(made)
        await disturbing.calm(made)
        await _rest(made, report, rest_seconds)
        clock.lap("second rest")
        report.found += await _judge(made, report)
        clock.lap("judging")
        report.trouble, report.notes = made.callers.trouble, Counter(made.notes)
    return report


async def _play(made: World, at_once: int, say: Say) -> list[str]:
    """Each story is opened in its turn, `at_once` at a time; payers then take their own time. What nobody should have been answered."""
    gate = asyncio.Semaphore(at_once)
    done = 0
    found: list[str] = []

    async def play(story: Story) -> None:
        nonlocal done
        try:
            async with gate:
                record, caller = await stories.begin(made, story)
            paid = await stories.pay(made, record, caller)
            if paid is not None:
                await sequels.follow(made, paid)
        except AssertionError:
            found.append(f"{story}: {traceback.format_exc(limit=-3)}")
        done += 1
        if done % 100 == 0:
            say(f"{done} payments")

    async with asyncio.TaskGroup() as group:
        for story in made.plan.stories:
            group.create_task(play(story), name=f"payment {story.number}")
    return found


async def _rest(made: World, report: Report, bears_seconds: float) -> None:
    """What does not come to rest is found, and the books are compared all the same: they may tell why."""
    try:
        await rest.until_at_rest(made, bears_seconds)
    except rest.Restless as restless:
        report.found.append(str(restless))


async def _judge(made: World, report: Report) -> list[str]:
    book, ours = await books.theirs(made), await books.ours(made)
    report.statuses = Counter(
        row["status"] + (f", dispute {row['dispute_status']}" if row["dispute_status"] else "") for row in ours.payments.values()
    )
    logins = {"VERIFIER_DATABASE_URL": _urls(made.stack).verifier, "AMQP_URL": made.stack.amqp_url}
    told, payable, verified, compared = await asyncio.gather(
        statuses.differences(made, book, ours),
        statuses.still_payable(made, ours),
        run_verifier(logins, "--settle-seconds", "5", timeout_seconds=_VERIFY_SECONDS),
        _compare_day(made.stack),
    )
    found = [*comparing.differences(book, ours), *told, *payable]
    said = (("the verifier", verified), ("the day's comparison", compared))
    return found + [f"{who} says ({code}):\n{output}" for who, (code, output) in said if code]


async def _compare_day(stack: Stack) -> tuple[int, str]:
    """The operator's command, as a process with the settings of payments."""
    environment = base_environment(stack.settings, inherit=False) | stack.stand_ins.settings
    environment |= {
        "DATABASE_URL": _urls(stack).payments,
        "AMQP_URL": stack.amqp_url,
        "SECRET_KEY": stack.secret_key,
        "DATA_KEYS": stack.data_keys,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.payments.compare", "--day", datetime.now(UTC).date().isoformat()),
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _COMPARE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def _urls(stack: Stack) -> DatabaseUrls:
    assert stack.database_urls is not None
    return stack.database_urls


class _Clock:
    def __init__(self, report: Report, say: Say) -> None:
        self._report = report
        self._say = say
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self._report.seconds[name] = now - self._last
        self._say(f"{name}: {now - self._last:.1f} s")
        self._last = now


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing"

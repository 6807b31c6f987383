"""Webhook deliveries as a provider makes them: tried again by its table, each attempt signed anew, and disturbed on demand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import httpx

Switch = Literal["duplicate", "reorder", "delay", "drop", "forged", "stale"]
SWITCHES: Final[tuple[Switch, ...]] = get_args(Switch)
ALWAYS: Final = 1_000_000
"""For `switches.forged` and `.stale`: every attempt."""

_OUTSTANDING_MAX: Final = 10_000
_REMEMBERED_MAX: Final = 10_000
_ATTEMPTS_MAX: Final = 100_000
_ANSWER_LIMIT_BYTES: Final = 65_536
_AT_ONCE: Final = 16
_STALE_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the provider's signer is told. `at`: unix time to sign with, long past when `stale`. `forged`: sign with another's key."""

    number: int
    at: float
    forged: bool
    stale: bool


Sign = Callable[[Attempt], tuple[Mapping[str, str], bytes]]
"""Headers (all of them, the content type too) and body of one attempt."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification for one address. `key`: the provider's id of it, by which it is sent again. `done`: told at the end if accepted.
    `tried`: set when the first attempt is over."""

    key: str
    url: str
    sign: Sign
    done: Callable[[bool], None] | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt. `status`: none when there was no answer, and then `error` says why. `body`: what was sent."""

    key: str
    url: str
    attempt: Attempt
    headers: Mapping[str, str]
    body: bytes
    status: int | None
    error: str
    accepted: bool


@dataclass(slots=True)
class Switches:
    """Disturbances of everything that is sent from now on.

    `duplicate`: so many more copies. `reorder`: of so many in a row, the last is sent first. `delay_seconds`: before the first attempt,
    not scaled. `drop`: never sent. `forged`, `stale`: so many first attempts have a wrong signature or an old timestamp (or ALWAYS).
    """

    duplicate: int = 0
    reorder: int = 0
    delay_seconds: float = 0.0
    drop: bool = False
    forged: int = 0
    stale: int = 0


@dataclass(slots=True)
class _Job:
    delivery: Delivery
    delay_seconds: float
    forged: int
    stale: int
    after: asyncio.Event | None = None
    tried_once: asyncio.Event = field(default_factory=asyncio.Event)


class TooManyDeliveriesError(RuntimeError):
    """More is outstanding than a test can have meant."""


class Deliveries:
    """Sends what it is given until it is accepted or the retry table ends.

    `retry_seconds`: the waits after the first, second, … failed attempt, times `time_scale`. `accepted` judges status and body; redirects
    are not followed, and no answer within `timeout_seconds` (after the first attempt `later_timeout_seconds`) is a failure. `switches` and
    `rate()` disturb; `attempts` tells what happened, `disturbed` how often by a rate.
    """

    def __init__(
        self,
        *,
        retry_seconds: Sequence[float],
        accepted: Callable[[int, bytes], bool],
        timeout_seconds: float = 10.0,
        later_timeout_seconds: float | None = None,
        time_scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.time_scale = time_scale
        self.timeout_seconds = timeout_seconds
        self.later_timeout_seconds = timeout_seconds if later_timeout_seconds is None else later_timeout_seconds
        self.switches = Switches()
        self.attempts: deque[Tried] = deque(maxlen=_ATTEMPTS_MAX)
        self.dropped: deque[str] = deque(maxlen=_REMEMBERED_MAX)
        self.disturbed: Counter[Switch] = Counter()
        self._retry_seconds = tuple(retry_seconds)
        self._accepted = accepted
        self._random = random.Random(seed)
        self._rates: dict[Switch, float] = {}
        self._rate_delay_seconds = 0.1
        self._remembered: OrderedDict[str, Delivery] = OrderedDict()
        self._held: deque[_Job] = deque()
        self._holding = False
        self._aside: list[_Job] = []
        self._running: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """By EmulatorServer."""
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
        # Not by the environment: a proxy set there would carry the traffic off this machine.
        self._client = httpx.AsyncClient(timeout=self.timeout_seconds, follow_redirects=False, trust_env=False, limits=limits)

    async def stop(self) -> None:
        """Gives up what is outstanding."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def send(self, delivery: Delivery) -> None:
        """Schedules the delivery and returns at once. TooManyDeliveriesError beyond the bound; RuntimeError when not started."""
        if self._client is None:
            raise RuntimeError("deliveries are not started")
        if self.outstanding + len(self._held) + len(self._aside) >= _OUTSTANDING_MAX:
            raise TooManyDeliveriesError(f"more than {_OUTSTANDING_MAX} deliveries are outstanding")
        self._remembered[delivery.key] = delivery
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        if self.switches.drop or self._rolled("drop"):
            self.dropped.append(delivery.key)
            return
        for _ in range(1 + self.switches.duplicate + self._rolled("duplicate")):
            self._schedule(self._job(delivery))

    def resend(self, key: str) -> None:
        """As by hand at the provider's own site: once more, undisturbed, whatever became of it. KeyError: unknown."""
        self._start([_Job(self._remembered[key], 0.0, 0, 0)])

    def rate(self, switch: Switch, probability: float, *, delay_seconds: float = 0.1) -> None:
        """Every delivery is disturbed so with this probability; 0 ends it. `delay_seconds`: the longest wait of "delay"."""
        if switch not in SWITCHES or not 0 <= probability <= 1:
            raise ValueError(f"one of {', '.join(SWITCHES)}, and a probability between 0 and 1")
        self._rates[switch] = probability
        if switch == "delay":
            self._rate_delay_seconds = delay_seconds

    def seed(self, seed: int) -> None:
        """What is drawn from now on."""
        self._random.seed(seed)

    def off(self) -> None:
        """Nothing is disturbed any more."""
        self.switches = Switches()
        self._rates.clear()

    def hold(self) -> None:
        """Keeps what is given from now on, until `release`."""
        self._holding = True

    def release(self) -> None:
        """Sends what was held."""
        self._holding = False
        held, self._held = list(self._held), deque()
        for job in held:
            self._schedule(job)

    @property
    def outstanding(self) -> int:
        """Deliveries neither accepted nor given up; held ones do not count."""
        return len(self._running)

    async def idle(self, timeout_seconds: float = 10.0) -> None:
        """Returns when nothing is outstanding. TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            await self._idle.wait()

    async def flush(self, timeout_seconds: float = 10.0) -> None:
        """Ends every wait (delays, retries, those put aside for their order), and returns when nothing is outstanding. TimeoutError."""
        self._send_aside()
        self._hurry.set()
        try:
            await self.idle(timeout_seconds)
        finally:
            self._hurry.clear()

    def _job(self, delivery: Delivery) -> _Job:
        delay = self.switches.delay_seconds
        if self._rolled("delay"):
            delay += self._random.uniform(0, self._rate_delay_seconds)
        forged = max(self.switches.forged, int(self._rolled("forged")))
        return _Job(delivery, delay, forged, max(self.switches.stale, int(self._rolled("stale"))))

    def _rolled(self, switch: Switch) -> bool:
        probability = self._rates.get(switch, 0.0)
        rolled = probability > 0 and self._random.random() < probability
        self.disturbed[switch] += rolled
        return rolled

    def _schedule(self, job: _Job) -> None:
        if self._holding:
            self._held.append(job)
        elif self.switches.reorder > 1 or self._aside or self._rolled("reorder"):
            self._aside.append(job)
            if len(self._aside) >= max(2, self.switches.reorder):
                self._send_aside()
        else:
            self._start([job])

    def _send_aside(self) -> None:
        jobs, self._aside = self._aside[::-1], []
        for earlier, later in itertools.pairwise(jobs):
            later.after = earlier.tried_once
        self._start(jobs)

    def _start(self, jobs: Iterable[_Job]) -> None:
        for job in jobs:
            task = asyncio.create_task(self._run(job), name=f"delivery {job.delivery.key}")
            self._running.add(task)
            self._idle.clear()
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self._idle.set()
        if not task.cancelled():
            task.result()

    async def _run(self, job: _Job) -> None:
        accepted = False
        try:
            if job.after is not None:
                await job.after.wait()
            await self._wait(job.delay_seconds)
            for number, wait_seconds in enumerate((*self._retry_seconds, None), 1):
                async with self._slots:
                    accepted = await self._try(job, number)
                job.tried_once.set()
                job.delivery.tried.set()
                if accepted or wait_seconds is None:
                    break
                await self._wait(wait_seconds * self.time_scale)
        finally:
            job.tried_once.set()
        if job.delivery.done is not None:
            job.delivery.done(accepted)

    async def _try(self, job: _Job, number: int) -> bool:
        assert self._client is not None
        stale = number <= job.stale
        attempt = Attempt(number, time.time() - (_STALE_SECONDS if stale else 0.0), forged=number <= job.forged, stale=stale)
        headers, body = job.delivery.sign(attempt)
        timeout_seconds = self.timeout_seconds if number == 1 else self.later_timeout_seconds
        status, answer, error = None, b"", ""
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._client.stream("POST", job.delivery.url, headers=dict(headers), content=body, timeout=timeout_seconds) as response,
            ):
                async for chunk in response.aiter_raw():
                    answer += chunk
                    if len(answer) > _ANSWER_LIMIT_BYTES:
                        break
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
            error = type(problem).__name__
        accepted = status is not None and self._accepted(status, answer)
        delivery = job.delivery
        self.attempts.append(Tried(delivery.key, delivery.url, attempt, dict(headers), body, status, error, accepted))
        return accepted

    async def _wait(self, seconds: float) -> None:
        if seconds <= 0 or self._hurry.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

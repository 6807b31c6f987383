"""Measures the whole road, signed webhook to frame: `python -m tests.bench.bench_road` (or `make bench`). It ends by itself.

Two kinds of figure count, since machines are shared and noisy: credits a second as a ratio to pgbench (tpcb-like, 16 clients, prepared) on
the same PostgreSQL in the same run, and CPU microseconds a credit, summed over every process of the stack, broker and database included
(the load generator's own CPU is told apart). Servers are durable: fsync on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from tests.bench.cpu import CpuMeter
from tests.bench.load import Crowd, Post, open_crowd, post_all
from tests.bench.seeding import Proof, seed
from tests.bench.yardstick import tpcb_per_second
from tests.flow.people import logged_in
from tests.servers import CACHE


async def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="purser-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        stack = Stack(Path(folder), cache=CACHE)
        try:
            await stack.start()
            figures = await _measure(stack, arguments)
        finally:
            await stack.remove()
    _print(figures)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=2))


async def _measure(stack: Stack, arguments: argparse.Namespace) -> dict[str, Any]:
    say(f"yardstick: pgbench, {arguments.yardstick_seconds} s")
    tpcb_before = await tpcb_per_second(stack.admin_database_url, arguments.yardstick_seconds)
    users = [f"bench-{number}" for number in range(arguments.users)]
    runs = []
    async with open_crowd(stack, users) as crowd:
        say("warming up")
        await _saturate(stack, crowd, await seed(stack, users, 1_000), arguments.connections)
        for number in range(arguments.runs):
            proofs = await seed(stack, users, arguments.credits)
            run = await _saturate(stack, crowd, proofs, arguments.connections)
            say(f"run {number + 1}: {run['credits_per_second']:.0f} credits/s, {run['cpu_us']:.0f} us CPU a credit")
            runs.append(run)
        say("low load")
        low = await _low_load(stack, crowd, await seed(stack, users, arguments.low_credits), arguments.low_per_second)
    say("one person, one top-up after the other")
    clicks = await _clicks(stack, arguments.clicks)
    say(f"yardstick again, {arguments.yardstick_seconds} s")
    tpcb_after = await tpcb_per_second(stack.admin_database_url, arguments.yardstick_seconds)
    tpcb = statistics.mean([tpcb_before, tpcb_after])
    rate = statistics.median(run["credits_per_second"] for run in runs)
    return {
        "tpcb_per_second": [tpcb_before, tpcb_after],
        "credits_per_second": rate,
        "x_tpcb": rate / tpcb,
        "cpu_us_a_credit": statistics.median(run["cpu_us"] for run in runs),
        "cpu_us_a_credit_by_process": runs[-1]["by_process"],
        "cpu_us_a_credit_load_generator": statistics.median(run["generator_us"] for run in runs),
        "saturated_p50_ms": statistics.median(run["p50_ms"] for run in runs),
        "frames_per_credit": statistics.median(run["frames_per_credit"] for run in runs),
        "low_load": low,
        "clicks": clicks,
        "runs": runs,
    }


async def _saturate(stack: Stack, crowd: Crowd, proofs: list[Proof], connections: int) -> dict[str, Any]:
    """Every webhook as fast as they are taken, `connections` at once; over when the last credit has reached its socket."""
    crowd.expect(proof.payment_id for proof in proofs)
    frames_before = crowd.frames
    with CpuMeter(stack) as cpu:
        begun = time.perf_counter()
        posts = await post_all(stack.gateway_url, proofs, connections=connections)
        await crowd.all_seen(timeout_seconds=120)
        seconds = time.perf_counter() - begun
    latencies = _latencies(posts, crowd)
    count = len(proofs)
    return {
        "credits": count,
        "seconds": seconds,
        "credits_per_second": count / seconds,
        "cpu_us": cpu.stack_us / count,
        "generator_us": cpu.generator_us / count,
        "by_process": {name: round(us / count) for name, us in cpu.by_process.items()},
        "p50_ms": _quantile(latencies, 0.5),
        "frames_per_credit": (crowd.frames - frames_before) / count,
    }


async def _low_load(stack: Stack, crowd: Crowd, proofs: list[Proof], per_second: float) -> dict[str, float]:
    """One webhook at a time, evenly spaced: what a single payer waits from the proof of payment to the frame."""
    crowd.expect(proof.payment_id for proof in proofs)
    posts = await post_all(stack.gateway_url, proofs, connections=4, per_second=per_second)
    await crowd.all_seen(timeout_seconds=30)
    latencies = _latencies(posts, crowd)
    answered = [1000 * (post.answered - post.sent) for post in posts]
    return {
        "credits": len(proofs),
        "per_second": per_second,
        "to_frame_p50_ms": _quantile(latencies, 0.5),
        "to_frame_p99_ms": _quantile(latencies, 0.99),
        "to_2xx_p50_ms": _quantile(answered, 0.5),
    }


async def _clicks(stack: Stack, count: int) -> dict[str, float]:
    """What a person waits on an idle system: from the completing request to the frame, and to that request's own answer."""
    to_frame: list[float] = []
    to_answer: list[float] = []
    async with logged_in(stack.gateway_url, stack.notifier_urls[0]) as person, person.socket() as socket:
        await socket.next("balance.snapshot")
        for _ in range(count):
            made = await person.deposit(1)
            begun = time.perf_counter()
            completing = asyncio.create_task(person.complete(made["session_id"]))
            await socket.next("balance.updated")
            to_frame.append(1000 * (time.perf_counter() - begun))
            assert (await completing).status_code == 200
            to_answer.append(1000 * (time.perf_counter() - begun))
    return {
        "count": count,
        "to_frame_p50_ms": _quantile(to_frame, 0.5),
        "to_frame_p99_ms": _quantile(to_frame, 0.99),
        "to_answer_p50_ms": _quantile(to_answer, 0.5),
    }


def _latencies(posts: list[Post], crowd: Crowd) -> list[float]:
    return [1000 * (crowd.seen[post.payment_id] - post.sent) for post in posts]


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _print(figures: dict[str, Any]) -> None:
    low = figures["low_load"]
    print(f"pgbench tpcb-like          {figures['tpcb_per_second'][0]:8.0f} and {figures['tpcb_per_second'][1]:.0f} tps (before and after)")
    print(f"credits a second           {figures['credits_per_second']:8.0f}   = {figures['x_tpcb']:.2f} x TPCB")
    print(f"CPU a credit, all servers  {figures['cpu_us_a_credit']:8.0f} us {figures['cpu_us_a_credit_by_process']}")
    print(f"  load generator besides   {figures['cpu_us_a_credit_load_generator']:8.0f} us")
    print(f"webhook to frame, full     {figures['saturated_p50_ms']:8.0f} ms p50")
    print(
        f"webhook to frame, quiet    {low['to_frame_p50_ms']:8.1f} ms p50, {low['to_frame_p99_ms']:.1f} ms p99 at {low['per_second']:.0f}/s"
    )
    clicks = figures["clicks"]
    print(f"completion to frame        {clicks['to_frame_p50_ms']:8.1f} ms p50, {clicks['to_frame_p99_ms']:.1f} ms p99, one person")
    print(f"completion to its answer   {clicks['to_answer_p50_ms']:8.1f} ms p50")
    print(f"webhook to 2xx, quiet      {low['to_2xx_p50_ms']:8.1f} ms p50")


def say(line: str) -> None:
    print(f"… {line}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_road", description=__doc__)
    parser.add_argument("--credits", type=int, default=10_000, help="webhooks a saturated run (10000)")
    parser.add_argument("--runs", type=int, default=3, help="saturated runs (3)")
    parser.add_argument("--users", type=int, default=200, help="users, each with an open socket (200)")
    parser.add_argument("--connections", type=int, default=256, help="webhooks on their way at once (256; fewer do not saturate it)")
    parser.add_argument("--low-credits", type=int, default=300, help="webhooks at low load (300)")
    parser.add_argument("--low-per-second", type=float, default=20, help="their pace (20)")
    parser.add_argument("--clicks", type=int, default=200, help="top-ups of one person through the API (200)")
    parser.add_argument("--yardstick-seconds", type=int, default=8, help="of each pgbench run (8)")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())

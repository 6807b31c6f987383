"""CPU time of every process of a stack, by what the process is, and of the load generator apart."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import psutil

from deploy.local.stack import Stack


class CpuMeter:
    """`with CpuMeter(stack) as cpu:` then cpu.stack_us, cpu.by_process, cpu.generator_us: microseconds, user and system."""

    def __init__(self, stack: Stack) -> None:
        self._roots = {name: stack.service(name).child.pid for name in ("gateway", "payments", "wallet", "notifier")}
        for name, server in (("postgres", stack.postgres), ("rabbitmq", stack.rabbitmq)):
            if server.child is not None:
                self._roots[name] = server.child.pid
        self.by_process: dict[str, float] = {}
        self.generator_us = 0.0

    @property
    def stack_us(self) -> float:
        return sum(self.by_process.values())

    def __enter__(self) -> Self:
        self._before, self._own_before = self._read(), _cpu(psutil.Process())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        after = self._read()
        self.by_process = {name: 1e6 * (after[name] - self._before[name]) for name in after}
        self.generator_us = 1e6 * (_cpu(psutil.Process()) - self._own_before)

    def _read(self) -> dict[str, float]:
        seconds = dict.fromkeys(self._roots, 0.0)
        for name, pid in self._roots.items():
            assert pid is not None
            root = psutil.Process(pid)
            times = root.cpu_times()
            # Children that have ended are in their parent's sum.
            seconds[name] += _cpu(root) + times.children_user + times.children_system
            for child in root.children(recursive=True):
                try:
                    seconds[name] += _cpu(child)
                except psutil.NoSuchProcess:
                    continue
        return seconds


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

"""One child process that is stopped within a bound and never outlives its parent, however the parent dies."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local.errors import LocalError

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOG_LIMIT_BYTES = 20_000_000
_LINE_LIMIT_BYTES = 64_000
_TAIL_BYTES = 4_000
_KILL_SECONDS = 5.0
_PROBE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class User:
    """An account that a child runs as, when the parent is root."""

    user_id: int
    group_id: int


@dataclass(frozen=True, slots=True)
class Command:
    """What is to run, where its output goes, and how it is told to stop."""

    name: str
    arguments: tuple[str, ...]
    directory: Path
    log_file: Path
    environment: Mapping[str, str] = field(repr=False)  # carries passwords
    user: User | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    # What the kernel sends when the parent is gone without a word (Linux only).
    orphan_signal: signal.Signals = signal.SIGKILL


Echo = Callable[[str, str], None]  # (name of the process, one line without its end)


class Child:
    """A running process in a session of its own, so that Ctrl-C reaches only us and we stop children in the right order.

    With `echo`, output passes through us into the log file and to `echo`; without, it goes straight to the file, so that
    the child never waits for an event loop of ours.
    """

    def __init__(self, command: Command, echo: Echo | None = None) -> None:
        self.command = command
        self._echo = echo
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None
        self._swept = False
        self.started_at = 0.0

    @property
    def pid(self) -> int:
        """The process id, also after its end."""
        if self._process is None:
            raise RuntimeError(f"{self.command.name} was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True from the start until the exit has been noticed."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """The exit status (negative: the signal), or None while it runs."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Starts the process; a program that is missing raises LocalError."""
        command = self.command
        command.log_file.parent.mkdir(parents=True, exist_ok=True)
        _bound_log(command.log_file)
        with command.log_file.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command.arguments,
                    cwd=command.directory,
                    env=dict(command.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if self._echo else log,
                    stderr=subprocess.STDOUT,
                    limit=_LINE_LIMIT_BYTES,
                    start_new_session=True,
                    preexec_fn=_orphan_signal_setter(command.orphan_signal),
                    user=command.user.user_id if command.user else None,
                    group=command.user.group_id if command.user else None,
                    extra_groups=[] if command.user else None,
                )
            except OSError as error:
                raise LocalError(f"{command.name}: cannot start {command.arguments[0]}: {error.strerror or error}") from error
        self.started_at = time.monotonic()
        if self._echo:
            self._pump = asyncio.create_task(self._pump_output(self._echo), name=f"output of {command.name}")

    async def wait(self) -> int:
        """Waits for the end; returns the exit status. What the process left in its group is killed then."""
        assert self._process is not None
        code = await self._process.wait()
        if not self._swept:
            self._swept = True
            _kill_group(self._process.pid)
        if self._pump:
            # A grandchild that left the group may hold the pipe open: it must not hold us.
            await asyncio.wait([self._pump], timeout=1.0)
            self._pump.cancel()
        return code

    async def stop(self, seconds: float | None = None) -> int | None:
        """Asks the process to stop; kills it when it takes longer than its bound, or `seconds`. Returns the exit status."""
        if self._process is None:
            return None
        if self.running:
            self.send(self.command.stop_signal)
        try:
            return await asyncio.wait_for(self.wait(), self.command.stop_seconds if seconds is None else seconds)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int | None:
        """SIGKILL to the process and all that it started; returns when all of them are gone."""
        if self._process is None:
            return None
        if self.running:
            # PostgreSQL's backends leave the group; found before the parent's death cuts the tree.
            descendants = _descendants(self._process.pid)
            _kill_group(self._process.pid)
            for descendant in descendants:
                with contextlib.suppress(psutil.NoSuchProcess):
                    descendant.kill()
            deadline = time.monotonic() + _KILL_SECONDS
            while any(map(_lives, descendants)) and time.monotonic() < deadline:
                await asyncio.sleep(_PROBE_SECONDS)
        return await self.wait()

    def kill_at_once(self) -> None:
        """SIGKILL without waiting, for an impatient user; whoever waits in `stop` then returns."""
        if self._process is not None and self.running:
            _kill_group(self._process.pid)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone, if it still runs."""
        if self._process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def last_lines(self, count: int = 3) -> str:
        """The end of the log in one line, for an error message."""
        return last_lines(self.command.log_file, count)

    async def _pump_output(self, echo: Echo) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        stream = self._process.stdout
        written = 0
        log = self.command.log_file.open("ab")
        try:
            while True:
                try:
                    line = await stream.readuntil(b"\n")
                except asyncio.IncompleteReadError as end:
                    line = end.partial
                except asyncio.LimitOverrunError as overrun:  # one huge line: passed on in pieces
                    line = await stream.readexactly(overrun.consumed)
                if not line:
                    return
                log.write(line)
                log.flush()
                written += len(line)
                if written > _LOG_LIMIT_BYTES:
                    log.close()
                    _bound_log(self.command.log_file)
                    log, written = self.command.log_file.open("ab"), 0
                echo(self.command.name, line.decode(errors="replace").rstrip("\r\n"))
        finally:
            log.close()


def last_lines(file: Path, count: int) -> str:
    """The last lines of a text file that are not empty, joined by ` | `."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-count:])


def _bound_log(file: Path) -> None:
    """One old log is kept beside the present one; nothing grows past twice the limit in between."""
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size > _LOG_LIMIT_BYTES:
            os.replace(file, file.with_name(file.name + ".old"))


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE  # a zombie is init's to bury, and holds nothing
    except psutil.NoSuchProcess:
        return False


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _orphan_signal_setter(number: signal.Signals) -> Callable[[], None] | None:
    """What the child runs before its program to tie its life to ours; the kernel watches the *thread* that forks: the main one."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded before the fork: nothing may be loaded after it
    parent = os.getpid()

    def set_orphan_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl: no signal will come
            os._exit(1)

    return set_orphan_signal

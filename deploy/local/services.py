"""The four services as processes: their environment, their ports, and whether they are ready."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.errors import LocalError
from deploy.local.ports import is_free
from deploy.local.processes import Child, Command, Echo
from deploy.local.supervisor import describe_exit

PROJECT = Path(__file__).resolve().parent.parent.parent
# Those at the edge are stopped first, so that nothing is taken in that nobody works on.
EDGE = ("gateway", "notifier")
CORE = ("payments", "wallet")
SERVICES = (*CORE, *EDGE)

_READY_SECONDS = 60.0
_PROBE_SECONDS = 0.05
_REQUEST_SECONDS = 5.0


def port_setting(service: str) -> str:
    """The variable that names the service's port."""
    return f"{service.upper()}_PORT"


def port_number(settings: Mapping[str, str], service: str) -> int:
    """The port that the settings name; LocalError when it is none."""
    name = port_setting(service)
    text = settings[name]
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise LocalError(f"{name}: {text!r} is not a port number (1 to 65535)")
    return int(text)


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a service; the first one has the number 1."""

    service: str
    number: int
    port: int

    @property
    def name(self) -> str:
        """`wallet`, `wallet-2`."""
        return self.service if self.number == 1 else f"{self.service}-{self.number}"


def reachable_host(bind_host: str) -> str:
    """Where a server that is bound to this address answers us."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(bind_host, bind_host)  # noqa: S104 - compared, not bound


def require_free(service: str, port: int, bind_host: str) -> None:
    """Raises LocalError, which names the setting, when another program has the port."""
    if not is_free(port, bind_host):
        setting = port_setting(service)
        raise LocalError(f"{setting}: port {port} on {bind_host} is taken or not ours to use; set {setting} to a free port")


class ServiceProcess:
    """One replica as a child process."""

    def __init__(
        self, replica: Replica, arguments: tuple[str, ...], environment: Mapping[str, str], directory: Path, logs: Path, echo: Echo | None
    ) -> None:
        self.replica = replica
        self.host = environment.get("BIND_HOST", "127.0.0.1")
        self.url = f"http://{reachable_host(self.host)}:{replica.port}"
        self._echo = echo
        self._command = Command(
            name=replica.name,
            arguments=(sys.executable, *arguments),
            directory=directory,
            log_file=logs / f"{replica.name}.log",
            environment={**environment, port_setting(replica.service): str(replica.port)},
        )
        self.child = Child(self._command, echo)

    async def start(self) -> None:
        """Starts it and returns when it is ready; a port that is taken, or a death before that, raises LocalError."""
        replica = self.replica
        require_free(replica.service, replica.port, self.host)
        self.child = Child(self._command, self._echo)
        await self.child.start()
        await self.wait_ready()

    async def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Returns when /health/ready answers 200; raises LocalError when the process ends or the time is over."""
        await wait_until_answers(self.child, f"{self.url}/health/ready", timeout_seconds)


async def wait_until_answers(child: Child, url: str, timeout_seconds: float) -> None:
    """Returns when a GET is answered 200; raises LocalError, with its last words, when the process ends or the time is over."""
    name, log_file = child.command.name, child.command.log_file
    deadline = time.monotonic() + timeout_seconds
    state = "no answer"
    # Loopback only: no proxy of the caller's environment, and no certificates to load.
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=_REQUEST_SECONDS) as client:  # noqa: S501 - plain HTTP
        while time.monotonic() < deadline:
            if not child.running:
                code = await child.wait()
                raise LocalError(f"{name} {describe_exit(code)}: {child.last_lines(1)} (log: {log_file})")
            try:
                answer = await client.get(url)
                if answer.status_code == 200:
                    return
                state = f"{answer.status_code} {answer.text[:300]}"
            except httpx.HTTPError:
                pass
            await asyncio.sleep(_PROBE_SECONDS)
    raise LocalError(f"{name} is not ready after {timeout_seconds:.0f} s: {state} (log: {log_file})")


def base_environment(settings: Mapping[str, str], *, inherit: bool) -> dict[str, str]:
    """What every service sees: the given settings over the caller's environment, or over the bare minimum of it."""
    if inherit:
        environment = dict(os.environ)
    else:
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment["PYTHONPATH"] = str(PROJECT)  # they run in a folder without the developer's .env
    environment |= {"PYTHONUNBUFFERED": "1", **settings}
    # Each service is told its own role's login only; see Stack.
    environment.pop("DATABASE_URL", None)
    return environment

"""The payment providers' stand-ins as processes of the stack: who needs one, their secrets, and the settings that lead to them."""

from __future__ import annotations

import asyncio
import hmac
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.errors import LocalError
from deploy.local.places import kept_secret
from deploy.local.ports import free_port, is_free, known_ports, remember_ports, remembered_ports
from deploy.local.processes import Child, Command, Echo
from deploy.local.services import PROJECT, base_environment, wait_until_answers
from deploy.local.side_by_side import side_by_side
from deploy.local.supervisor import Supervisor

NAMES: Final = ("stripe", "allsecure", "prodamus")

TIME_SCALE: Final = 0.01
"""Of the providers' waits before they repeat a webhook: their minute is 0.6 s, their day a quarter of an hour."""

_STOP_SECONDS: Final = 3.0
_READY_SECONDS: Final = 30.0
_PORTS_FILE: Final = "stand-in-ports.json"
_PRODAMUS_PAGE: Final = "/p/shop"  # as tests/emulators/sandbox.py has it
_PRODAMUS_SYS: Final = "sandbox"

_CREDENTIALS: Final[Mapping[str, tuple[str, ...]]] = {
    "stripe": ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET"),
    "allsecure": ("ALLSECURE_API_KEY", "ALLSECURE_USERNAME", "ALLSECURE_PASSWORD", "ALLSECURE_SHARED_SECRET"),
    "prodamus": ("PRODAMUS_SECRET_KEY",),
}
_ADDRESS: Final[Mapping[str, str]] = {
    "stripe": "STRIPE_API_BASE",
    "allsecure": "ALLSECURE_BASE_URL",
    "prodamus": "PRODAMUS_PAGE_URL",
}
_PREFIX: Final[Mapping[str, str]] = {
    "STRIPE_SECRET_KEY": "sk_test_",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_",
    "STRIPE_WEBHOOK_SECRET": "whsec_",
}


def needed(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Of the providers that PROVIDERS names, those of which nothing is configured. Who has set a part of it means the provider itself,
    and hears from the services what is missing."""
    named = [name.strip() for name in settings.get("PROVIDERS", "").split(",")]
    return tuple(name for name in NAMES if name in named and not any(settings.get(one) for one in (*_CREDENTIALS[name], _ADDRESS[name])))


def configured(settings: Mapping[str, str]) -> bool:
    """Whether any provider has something of its own set, or is named."""
    mine = [one for name in NAMES for one in (*_CREDENTIALS[name], _ADDRESS[name])]
    return bool(needed(settings)) or any(settings.get(one) for one in mine)


def listed(names: Sequence[str]) -> str:
    """As a sentence has them: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


class StandIns:
    """`names`: of NAMES. `folder` keeps their secret and their ports. `supervisor`: starts again what dies. LocalError in production."""

    def __init__(
        self,
        names: tuple[str, ...],
        folder: Path,
        logs: Path,
        settings: Mapping[str, str],
        supervisor: Supervisor | None,
        echo: Echo | None,
    ) -> None:
        if names and settings.get("ENVIRONMENT") == "production":
            them = "them" if len(names) > 1 else "it"
            raise LocalError(f"PROVIDERS names {listed(names)}, whose credentials are not set, and in production no stand-in plays {them}")
        self.names = names
        self._folder = folder
        self._logs = logs
        self._supervisor = supervisor
        self._echo = echo
        self._ports: dict[str, int] = {}
        self._processes: dict[str, Child] = {}

    @property
    def settings(self) -> dict[str, str]:
        """What the services have to be told, so that they take the stand-ins for the providers."""
        settings: dict[str, str] = {}
        for name in self.names:
            settings |= self._credentials(name)
            settings[_ADDRESS[name]] = self.url(name)
        if "prodamus" in self.names:
            settings["PRODAMUS_PAGE_URL"] += _PRODAMUS_PAGE
            settings["PRODAMUS_SYS"] = _PRODAMUS_SYS
        return settings

    def url(self, name: str) -> str:
        """Where the provider's stand-in is, or will be."""
        return f"http://127.0.0.1:{self.port(name)}"

    def port(self, name: str) -> int:
        if not self._ports:
            # All of them, so that each keeps its port whatever runs beside it.
            self._ports = remembered_ports(self._folder / _PORTS_FILE, NAMES)
        return self._ports[name]

    def child(self, name: str) -> Child:
        """The process of a stand-in that was started."""
        return self._processes[name]

    @property
    def children(self) -> list[Child]:
        return list(self._processes.values())

    def attach(self) -> None:
        """Takes the ports of those that another process of ours runs from this folder. LocalError: there are none."""
        self._ports = known_ports(self._folder / _PORTS_FILE)
        if missing := [name for name in self.names if name not in self._ports]:
            raise LocalError(f"nothing plays {listed(missing)} here: start `make run` with the same PROVIDERS, or set the credentials")

    def choose_ports_again(self) -> None:
        """Those that another program has taken meanwhile are replaced; nothing runs yet."""
        for name in self.names:
            if not is_free(self.port(name)):
                self._ports[name] = free_port()
        if self._ports:
            remember_ports(self._folder / _PORTS_FILE, self._ports)

    async def start(self, webhooks_to: str) -> None:
        """Starts those that do not run, with empty books; returns when they answer. `webhooks_to`: the gateway's address. LocalError."""
        await side_by_side(*(self._start(name, webhooks_to) for name in self.names))

    async def stop(self) -> None:
        """Within three seconds, whatever they do."""
        await asyncio.gather(*(child.stop(_STOP_SECONDS) for child in self.children))

    async def _start(self, name: str, webhooks_to: str) -> None:
        known = self._processes.get(name)
        if known is not None and known.running:
            return
        await self._run(name, webhooks_to)
        if self._supervisor is not None:
            self._supervisor.watch(f"{name}-stand-in", lambda: self._processes[name], lambda: self._run(name, webhooks_to))

    async def _run(self, name: str, webhooks_to: str) -> None:
        if not is_free(self.port(name)):
            raise LocalError(f"{name}-stand-in: port {self.port(name)} is taken")
        child = Child(self._command(name, webhooks_to), self._echo)
        self._processes[name] = child
        await child.start()
        await wait_until_answers(child, f"{self.url(name)}/_emulator/book", _READY_SECONDS)

    def _command(self, name: str, webhooks_to: str) -> Command:
        options = (
            f"--{name}",
            str(self.port(name)),
            "--webhooks-to",
            webhooks_to,
            "--time-scale",
            str(TIME_SCALE),
            "--verbose",
        )
        return Command(
            name=f"{name}-stand-in",
            arguments=(sys.executable, "-m", "tests.emulators", *options),
            directory=PROJECT,
            log_file=self._logs / f"{name}-stand-in.log",
            environment=base_environment(self._credentials(name), inherit=False),
        )

    def _credentials(self, name: str) -> dict[str, str]:
        """Their own in each checkout: what is forged in one is refused in the others."""
        secret = kept_secret(self._folder / "stand-in-secret").encode()
        return {one: _PREFIX.get(one, "") + hmac.digest(secret, one.encode(), "sha256").hex() for one in _CREDENTIALS[name]}

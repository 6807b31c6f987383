"""Servers, preparation and services together: what `make run`, `make demo`, and the flow and chaos tests start."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from deploy.local.errors import LocalError
from deploy.local.places import kept_secret
from deploy.local.ports import free_port, is_free, remembered_ports
from deploy.local.postgres import PostgresServer
from deploy.local.processes import Echo
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.services import (
    CORE,
    EDGE,
    PROJECT,
    SERVICES,
    Replica,
    ServiceProcess,
    base_environment,
    port_number,
    port_setting,
    reachable_host,
    require_free,
)
from deploy.local.side_by_side import side_by_side
from deploy.local.stand_ins import StandIns
from deploy.local.supervisor import Patience, Say, Supervisor
from deploy.prepare import DatabaseUrls, prepare
from shared.delivery.errors import BrokerUnavailable
from shared.migrations import MigrationError

_SERVICES_STOP_SECONDS = 11.0
_EDGE_HEAD_START_SECONDS = 4.0


class Stack:
    """`async with Stack(directory) as stack:` has everything ready inside, and everything stopped after.

    settings      of the services (names as in the environment); DATABASE_URL (an administrator's) and AMQP_URL among them
                  mean: use these servers and start none
    inherit       services also see the caller's environment and the project's .env (run), or neither (tests)
    supervised    what dies is started again; off, a test decides
    notifiers     replicas of the notifier
    services      which are started; the others can be, later
    stand_ins     payment providers that are played here; they are as if configured, and not in production
    arguments     Python's, for a service
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        *,
        cache: Path | None = None,
        durable: bool = True,
        inherit: bool = False,
        supervised: bool = False,
        patience: Patience | None = None,
        notifiers: int = 1,
        services: tuple[str, ...] = SERVICES,
        stand_ins: tuple[str, ...] = (),
        arguments: tuple[str, ...] = ("-m", "services.{service}.main"),
        say: Say = lambda line: None,
        echo: Echo | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.logs = self.directory / "logs"
        self.settings = dict(settings or {})
        self.say = say
        self.supervisor = Supervisor(say, patience)
        watching = self.supervisor if supervised else None
        self.stand_ins = StandIns(stand_ins, self.directory, self.logs, self.settings, watching, echo)
        self.database_urls: DatabaseUrls | None = None
        self._echo = echo
        self._inherit = inherit
        self._supervised = supervised
        self._arguments = arguments
        self._wanted = [(service, number) for service in services for number in range(1, (notifiers if service == "notifier" else 1) + 1)]
        self._processes: dict[tuple[str, int], ServiceProcess] = {}
        self._ports: dict[str, int] = {}
        cache = cache or self.directory / "cache"
        self._postgres: PostgresServer | None = None
        self._rabbitmq: RabbitmqServer | None = None
        if not self.settings.get("DATABASE_URL"):
            self._postgres = PostgresServer(self.directory / "postgres", durable=durable, logs=self.logs, echo=echo)
        if not self.settings.get("AMQP_URL"):
            self._rabbitmq = RabbitmqServer(self.directory / "rabbitmq", cache, logs=self.logs, say=say, echo=echo)

    # Addresses

    @property
    def postgres(self) -> PostgresServer:
        """Our own PostgreSQL: kill(), restart()."""
        if self._postgres is None:
            raise LocalError("DATABASE_URL is set: this stack has no PostgreSQL of its own")
        return self._postgres

    @property
    def rabbitmq(self) -> RabbitmqServer:
        """Our own RabbitMQ: kill(), restart()."""
        if self._rabbitmq is None:
            raise LocalError("AMQP_URL is set: this stack has no RabbitMQ of its own")
        return self._rabbitmq

    @property
    def owns(self) -> tuple[bool, bool]:
        """Whether PostgreSQL and RabbitMQ are our own."""
        return self._postgres is not None, self._rabbitmq is not None

    @property
    def admin_database_url(self) -> str:
        """An administrator's login to the database."""
        return self._postgres.admin_url if self._postgres else self.settings["DATABASE_URL"]

    @property
    def amqp_url(self) -> str:
        """The broker's address with its login."""
        return self._rabbitmq.amqp_url if self._rabbitmq else self.settings["AMQP_URL"]

    @property
    def gateway_url(self) -> str:
        """The HTTP face."""
        return self.service("gateway").url

    @property
    def notifier_urls(self) -> list[str]:
        """The socket of each notifier, `ws://…/ws`."""
        found = [process for (service, _), process in sorted(self._processes.items()) if service == "notifier"]
        return [process.url.replace("http", "ws", 1) + "/ws" for process in found]

    def service(self, name: str, replica: int = 1) -> ServiceProcess:
        """The process of a service that was started: its url, its child."""
        return self._processes[name, replica]

    # Life

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Everything, in order; returns when every service is ready."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self._choose_ports()
        for name, _ in self._wanted:  # known now, said now: not after the servers' start
            require_free(name, self._ports[name], self._bind_host)
        await self.start_servers()
        await self.prepare()
        self._choose_ports_again()
        gateway = f"http://{reachable_host(self._bind_host)}:{self._ports['gateway']}"
        await side_by_side(self.stand_ins.start(gateway), *(self.start_service(name, number) for name, number in self._wanted))

    async def start_servers(self) -> None:
        """PostgreSQL and RabbitMQ, side by side, those that are ours."""
        started = time.monotonic()
        servers = [server for server in (self._postgres, self._rabbitmq) if server]
        await side_by_side(*(server.start() for server in servers))
        for server in servers:
            self._watch_server(server)
        if servers:
            self.say(f"servers ready after {time.monotonic() - started:.1f} s")

    async def prepare(self) -> None:
        """Roles, migrations, the broker's topology; needed once after the servers' start."""
        try:
            self.database_urls = await prepare(self.admin_database_url, self.amqp_url, self.secret_key)
        except BrokerUnavailable as error:
            raise LocalError(f"AMQP_URL: the broker cannot be used: {error}") from error
        except MigrationError as error:
            raise LocalError(f"the database cannot be brought up to date: {error}") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise LocalError(f"DATABASE_URL: the database cannot be prepared: {str(error) or type(error).__name__}") from error

    async def stop(self) -> None:
        """Edge, core, then servers and stand-ins; within 20 s whatever they do, and nothing is left."""
        await self._stop_services()
        await asyncio.gather(self.stand_ins.stop(), *(server.stop() for server in (self._rabbitmq, self._postgres) if server))

    async def _stop_services(self) -> None:
        await self.supervisor.close()
        deadline = time.monotonic() + _SERVICES_STOP_SECONDS
        stopping = [asyncio.create_task(process.child.stop(_SERVICES_STOP_SECONDS)) for process in self._group(EDGE)]
        if stopping:
            await asyncio.wait(stopping, timeout=_EDGE_HEAD_START_SECONDS)
        remaining = max(deadline - time.monotonic(), 1.0)
        await asyncio.gather(*stopping, *(process.child.stop(remaining) for process in self._group(CORE)))

    def kill_at_once(self) -> None:
        """SIGKILL to every process, for an impatient user; a `stop` that is under way then ends."""
        servers = [server.child for server in (self._rabbitmq, self._postgres) if server and server.child]
        for child in [process.child for process in self._processes.values()] + self.stand_ins.children + servers:
            child.kill_at_once()

    async def remove(self) -> None:
        """Stops the services, ends our servers without ceremony and deletes their data."""
        await self._stop_services()
        await self.stand_ins.stop()
        for server in (self._rabbitmq, self._postgres):
            if server:
                await server.remove()

    # Single services

    async def start_service(self, name: str, replica: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Starts a replica that does not run, and returns when it is ready; `settings` override for this process."""
        known = self._processes.get((name, replica))
        if known and known.child.running:
            return
        if known is None or settings is not None:
            known = self._make(name, replica, settings or {})
            self._processes[name, replica] = known
        await known.start()
        if self._supervised:
            process = known
            self.supervisor.watch(process.replica.name, lambda: process.child, process.start)

    async def stop_service(self, name: str, replica: int = 1) -> int | None:
        """SIGTERM, and SIGKILL after 10 s; returns the exit status."""
        process = self.service(name, replica)
        self.supervisor.forget(process.replica.name)
        return await process.child.stop()

    async def kill(self, name: str, replica: int = 1) -> None:
        """SIGKILL; a supervised stack starts it again."""
        await self.service(name, replica).child.kill()

    async def wait_ready(self, name: str | None = None, replica: int = 1, timeout_seconds: float = 60.0) -> None:
        """Returns when the service (or all that run) says it is ready, for instance after a server's restart."""
        processes = [self.service(name, replica)] if name else [process for process in self._processes.values() if process.child.running]
        await side_by_side(*(process.wait_ready(timeout_seconds) for process in processes))

    # Within

    @property
    def secret_key(self) -> str:
        """SECRET_KEY as given, else made once and kept beside the data."""
        return self.settings.get("SECRET_KEY") or kept_secret(self.directory / "secret-key")

    @property
    def data_keys(self) -> str:
        """DATA_KEYS as given, else one made once and kept beside the data that it seals."""
        return self.settings.get("DATA_KEYS") or kept_secret(self.directory / "data-key")

    @property
    def jwt_secret(self) -> str:
        """JWT_SECRET as given, else made once and kept beside the data."""
        return self.settings.get("JWT_SECRET") or kept_secret(self.directory / "jwt-secret")

    @property
    def _bind_host(self) -> str:
        return self.settings.get("BIND_HOST") or "127.0.0.1"

    def _choose_ports(self) -> None:
        if not self._ports:
            kept = tuple(name for name, number in self._wanted if number == 1 and not self.settings.get(port_setting(name)))
            self._ports = remembered_ports(self.directory / "ports.json", kept)
            self._ports |= {name: port_number(self.settings, name) for name in SERVICES if self.settings.get(port_setting(name))}
            for name in SERVICES:  # those that this stack does not start must have an address too
                self._ports.setdefault(name, free_port())

    def _choose_ports_again(self) -> None:
        """The servers' start took seconds: of the ports that were ours to choose, another program may have one by now."""
        self.stand_ins.choose_ports_again()
        for name, port in self._ports.items():
            if not self.settings.get(port_setting(name)) and not is_free(port, self._bind_host):
                self._ports[name] = free_port()

    def _make(self, name: str, number: int, settings: Mapping[str, str]) -> ServiceProcess:
        environment = base_environment(self.settings, inherit=self._inherit) | self.stand_ins.settings
        environment |= {port_setting(service): str(port) for service, port in self._ports.items()}
        environment |= {"AMQP_URL": self.amqp_url, "SECRET_KEY": self.secret_key}
        environment.setdefault("ENVIRONMENT", "development")
        if environment["ENVIRONMENT"] == "development" and not environment.get("JWT_JWKS") and not environment.get("JWT_SECRET"):
            environment["JWT_SECRET"] = self.jwt_secret
        if self.database_urls and name in CORE:
            if name == "payments" and environment["ENVIRONMENT"] == "development":
                environment["DATA_KEYS"] = self.data_keys
            environment["DATABASE_URL"] = self.database_urls.payments if name == "payments" else self.database_urls.wallet
        environment |= settings
        port = self._ports[name] if number == 1 else free_port()
        arguments = tuple(argument.format(service=name) for argument in self._arguments)
        directory = PROJECT if self._inherit else self.directory
        return ServiceProcess(Replica(name, number, port), arguments, environment, directory, self.logs, self._echo)

    def _group(self, names: tuple[str, ...]) -> list[ServiceProcess]:
        return [process for (name, _), process in self._processes.items() if name in names]

    def _watch_server(self, server: PostgresServer | RabbitmqServer) -> None:
        if self._supervised and server.child:
            self.supervisor.watch(server.child.command.name, server.running_child, server.start)

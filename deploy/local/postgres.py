"""A private PostgreSQL: a child process of ours, on loopback, with a password, whose data survives a stop and a start."""

import asyncio
import shutil
import signal
import time
from pathlib import Path

import asyncpg

from deploy.local.errors import LocalError
from deploy.local.places import forget_folder, kept_secret, server_user, usable_folder
from deploy.local.ports import known_ports, remembered_ports
from deploy.local.postgres_files import SUPERUSER, environment, find_programs, make_data, reachable_programs
from deploy.local.processes import Child, Command, Echo

_READY_SECONDS = 120.0  # recovery after a crash may take a while
_PROBE_SECONDS = 0.03
_START_ATTEMPTS = 3


class PostgresServer:
    """One server with its data under `directory`, or in a folder elsewhere that `directory` names.

    durable=False switches fsync off: for throwaway tests only, never where a crash is part of what is tested or measured.
    """

    def __init__(self, directory: Path, *, durable: bool = True, logs: Path | None = None, echo: Echo | None = None) -> None:
        self.directory = directory.absolute()
        self.log_file = (logs or self.directory).absolute() / "postgres.log"
        self.durable = durable
        self.port = 0
        self.child: Child | None = None
        self._echo = echo
        self._user = server_user()

    @property
    def password(self) -> str:
        """The superuser's password, made on first use."""
        return kept_secret(self.directory / "password")

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the database `postgres`."""
        return self.url("postgres")

    def url(self, database: str) -> str:
        """The superuser's URL of a database."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        """Makes the data on the first call, starts the server, and returns when it answers a query."""
        if self.child and self.child.running:
            return
        for attempt in range(1, _START_ATTEMPTS + 1):
            # A restart of the same object keeps its port: clients hold it in their URLs.
            keeps_port = self.port != 0
            if not keeps_port:
                self.port = remembered_ports(self.directory / "ports.json", ("postgres",))["postgres"]
            child = self.child = Child(await self._command(), self._echo)
            await child.start()
            if await self._becomes_ready(child):
                return
            reason = child.last_lines()
            # Lost a race for the port, or the last backends of a killed server still hold its memory: both pass.
            if attempt == _START_ATTEMPTS or not ("could not bind" in reason or "still in use" in reason or "create any TCP" in reason):
                raise LocalError(f"PostgreSQL did not start: {reason} (log: {self.log_file})")
            if not keeps_port:
                self.port = 0

    def attach(self) -> None:
        """Takes the address of a server that another process of ours runs from this folder."""
        self.port = known_ports(self.directory / "ports.json").get("postgres", 0)

    def running_child(self) -> Child:
        """The process of the last start."""
        if self.child is None:
            raise RuntimeError("PostgreSQL was never started")
        return self.child

    async def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, all data is on disk."""
        if self.child:
            await self.child.stop()

    async def kill(self) -> None:
        """SIGKILL to the server and all its backends."""
        if self.child:
            await self.child.kill()

    async def restart(self) -> None:
        """Stops it if it runs, and starts it on the same port with the same data."""
        await self.stop()
        await self.start()

    async def remove(self) -> None:
        """Kills the server and deletes its data."""
        await self.kill()
        await asyncio.to_thread(forget_folder, self.directory / "server")
        await asyncio.to_thread(shutil.rmtree, self.directory, True)

    async def _command(self) -> Command:
        home = await asyncio.to_thread(usable_folder, self.directory / "server", self._user)
        data = home / "data"
        programs = await asyncio.to_thread(find_programs, data)
        programs = await asyncio.to_thread(reachable_programs, programs, home, self._user)
        if not data.exists():
            await make_data(programs, data, self.password, self._user, durable=self.durable)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return Command(
            name="postgres",
            arguments=(str(programs / "postgres"), "-D", str(data), *options),
            directory=home,
            log_file=self.log_file,
            environment=environment(),
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients
            orphan_signal=signal.SIGQUIT,  # "immediate": takes its backends along
            stop_seconds=8.0,
        )

    async def _becomes_ready(self, child: Child) -> bool:
        """True when it answers with our password, False when it ended before."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not child.running:
                await child.wait()
                return False
            try:
                connection = await asyncpg.connect(self.admin_url, timeout=5.0, ssl=False)
            except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(_PROBE_SECONDS)
                continue
            except asyncpg.InvalidPasswordError as error:
                await child.stop()
                raise LocalError(
                    f"PostgreSQL: the password in {self.directory / 'password'} is not the server's; `make clean` starts anew"
                ) from error
            await connection.close(timeout=5.0)
            return True
        await child.kill()
        raise LocalError(f"PostgreSQL did not answer within {_READY_SECONDS:.0f} s (log: {self.log_file})")

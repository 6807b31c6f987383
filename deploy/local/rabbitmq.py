"""A private RabbitMQ node: a child of ours, on loopback, with its own epmd, user and ports; its data survives a stop and a start."""

import asyncio
import base64
import hashlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from urllib.parse import quote

import httpx

from deploy.local.distribution import RabbitmqPrograms, Say, find_rabbitmq
from deploy.local.errors import LocalError
from deploy.local.places import forget_folder, kept_secret, usable_folder
from deploy.local.ports import is_free, known_ports, remembered_ports
from deploy.local.processes import Child, Command, Echo

USER = "purser"
_PORTS = ("amqp", "distribution", "epmd", "management", "prometheus")
_READY_SECONDS = 90.0
_EPMD_SECONDS = 10.0
_PROBE_SECONDS = 0.1
_REQUEST_SECONDS = 15.0
_STOP_SECONDS = 8.0  # the runner as a whole must stop within 20 s; what was confirmed survives SIGKILL as well
_START_ATTEMPTS = 3
# Idle schedulers would spin and take a small machine's cores.
_ERLANG_ARGUMENTS = "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none"
_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_consistent_hash_exchange].\n"


class RabbitmqServer:
    """One node with all that it keeps under `directory`; `cache` is where its programs are unpacked if the system has none."""

    def __init__(self, directory: Path, cache: Path, *, logs: Path | None = None, say: Say = print, echo: Echo | None = None) -> None:
        self.directory = directory.absolute()
        self.log_file = (logs or self.directory).absolute() / "rabbitmq.log"
        self.ports: dict[str, int] = {}
        self.child: Child | None = None
        self.epmd: Child | None = None
        self._cache = cache.absolute()
        self._say = say
        self._echo = echo

    @property
    def password(self) -> str:
        """The only user's password, made on first use."""
        return kept_secret(self.directory / "password")

    @property
    def home(self) -> Path:
        """Where the node keeps its data and its own logs."""
        return usable_folder(self.directory / "node", None, plain=True)

    @property
    def amqp_url(self) -> str:
        """The URL of the vhost `/`."""
        return self.url("/")

    def url(self, vhost: str) -> str:
        """The AMQP URL of a vhost."""
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.ports['amqp']}/{quote(vhost, safe='')}"

    @property
    def management_url(self) -> str:
        """RabbitMQ's own pages and their HTTP API."""
        return f"http://127.0.0.1:{self.ports['management']}"

    async def start(self) -> None:
        """Starts epmd and the node; returns when the AMQP port listens and the definitions are loaded."""
        if self.child and self.child.running:
            return
        programs = await find_rabbitmq(self._cache, self._say)
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _START_ATTEMPTS + 1):
            # A restart of the same object keeps its ports: clients hold them in their URLs.
            keeps_ports = bool(self.ports)
            if not keeps_ports:
                self.ports = remembered_ports(self.directory / "ports.json", _PORTS)
            self._write_files()
            await self._run_epmd(programs)
            self.child = Child(self._node(programs), self._echo)
            await self.child.start()
            if await self._becomes_ready(self.child):
                return
            reason = self.child.last_lines()
            # "BOOT FAILED … eaddrinuse" comes with exit status 0, and hides among other lines: judged by the ports.
            lost_race = not keeps_ports and not all(is_free(port) for name, port in self.ports.items() if name != "epmd")
            if attempt == _START_ATTEMPTS or not lost_race:
                await self.stop()
                raise LocalError(f"RabbitMQ did not start: {reason} (log: {self.log_file})")
            await self._stop_epmd()
            self.ports = {}

    def attach(self) -> None:
        """Takes the addresses of a node that another process of ours runs from this folder."""
        self.ports = known_ports(self.directory / "ports.json")

    def running_child(self) -> Child:
        """The node's process of the last start."""
        if self.child is None:
            raise RuntimeError("RabbitMQ was never started")
        return self.child

    async def stop(self) -> None:
        """Stops the node, then its epmd."""
        if self.child:
            await self.child.stop()
        await self._stop_epmd()

    async def kill(self) -> None:
        """SIGKILL to the node; epmd stays, as it does after a crash."""
        if self.child:
            await self.child.kill()

    async def restart(self) -> None:
        """Stops it if it runs, and starts it on the same ports with the same data."""
        if self.child:
            await self.child.stop()
        await self.start()

    async def remove(self) -> None:
        """Kills the node and deletes all that it kept."""
        await self.kill()
        await self._stop_epmd()
        await asyncio.to_thread(forget_folder, self.directory / "node")
        await asyncio.to_thread(shutil.rmtree, self.directory, True)

    async def add_vhost(self, name: str) -> str:
        """Makes an empty vhost that our user may do everything in; returns its AMQP URL."""
        async with self._management() as client:
            path = quote(name, safe="")
            (await client.put(f"/api/vhosts/{path}", json={})).raise_for_status()
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            (await client.put(f"/api/permissions/{path}/{USER}", json=everything)).raise_for_status()
        return self.url(name)

    async def remove_vhost(self, name: str) -> None:
        """Deletes a vhost with all its queues; its connections are closed."""
        async with self._management() as client:
            await client.delete(f"/api/vhosts/{quote(name, safe='')}")

    def _management(self) -> httpx.AsyncClient:
        # Loopback only: no proxy of the caller's environment, and no certificates to load.
        return httpx.AsyncClient(
            base_url=self.management_url,
            auth=(USER, self.password),
            timeout=_REQUEST_SECONDS,
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP
        )

    async def _run_epmd(self, programs: RabbitmqPrograms) -> None:
        """Our own epmd, as a child: the node would start one that outlives everything."""
        if self.epmd and self.epmd.running:
            return
        port = self.ports["epmd"]
        self.epmd = Child(
            Command(
                name="epmd",
                arguments=(str(programs.erlang / "epmd"), "-port", str(port), "-address", "127.0.0.1"),
                directory=self.home,
                log_file=self.directory / "epmd.log",
                environment=self._environment(programs),
                stop_seconds=2.0,
            )
        )
        await self.epmd.start()
        deadline = time.monotonic() + _EPMD_SECONDS
        while time.monotonic() < deadline and self.epmd.running:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(_PROBE_SECONDS / 10)
                continue
            writer.close()
            return
        await self.epmd.kill()
        raise LocalError(f"RabbitMQ: epmd does not answer on port {port}: {self.epmd.last_lines()}")

    async def _stop_epmd(self) -> None:
        if self.epmd:
            await self.epmd.stop()

    def _node(self, programs: RabbitmqPrograms) -> Command:
        return Command(
            name="rabbitmq",
            arguments=(str(programs.scripts / "rabbitmq-server"),),
            directory=self.home,
            log_file=self.log_file,
            environment=self._environment(programs),
            stop_seconds=_STOP_SECONDS,
        )

    def _environment(self, programs: RabbitmqPrograms) -> dict[str, str]:
        """Every place and port is named, so that nothing of the system's own RabbitMQ is read, written or met."""
        home = self.home
        return {
            "PATH": f"{programs.erlang}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "RABBITMQ_CONF_ENV_FILE": str(home / "empty.conf"),
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.ports["amqp"]),
            "RABBITMQ_DIST_PORT": str(self.ports["distribution"]),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(home / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(home / "schema"),
            "RABBITMQ_PID_FILE": str(home / "rabbitmq.pid"),
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_ARGUMENTS,
            # The start script then becomes the node instead of waiting for it: signals and our death reach it directly.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_files(self) -> None:
        home = self.home
        for folder in ("data", "log", "conf.d", "generated", "schema"):
            (home / folder).mkdir(exist_ok=True)
        (home / "empty.conf").touch()
        (home / "advanced.config").write_text("[].\n")
        (home / "enabled_plugins").write_text(_PLUGINS)
        cookie = home / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)  # Erlang refuses a cookie that others may read
        definitions = home / "definitions.json"
        definitions.touch(mode=0o600)
        definitions.write_text(json.dumps(_definitions(self.password)))
        lines = (
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {self.ports['management']}",
            "prometheus.tcp.ip = 127.0.0.1",
            f"prometheus.tcp.port = {self.ports['prometheus']}",
            f"load_definitions = {definitions}",
            "disk_free_limit.absolute = 100MB",
            "log.console = true",
            "log.console.level = warning",
            f"log.file = {home / 'log' / 'node.log'}",
            "log.file.level = info",
            "log.file.rotation.size = 10485760",
            "log.file.rotation.count = 1",
        )
        (home / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    async def _becomes_ready(self, child: Child) -> bool:
        """True when the AMQP port listens and our user is known, False when the node ended before."""
        deadline = time.monotonic() + _READY_SECONDS
        async with self._management() as client:
            while time.monotonic() < deadline:
                if not child.running:
                    await child.wait()
                    return False
                try:
                    answer = await client.get(f"/api/health/checks/port-listener/{self.ports['amqp']}")
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code == 200:
                    return True
                await asyncio.sleep(_PROBE_SECONDS)
        await self.kill()
        await self._stop_epmd()
        raise LocalError(f"RabbitMQ did not answer within {_READY_SECONDS:.0f} s (log: {self.log_file})")


def _definitions(password: str) -> dict[str, object]:
    """One user and the vhost `/`; the salted SHA-256 is RabbitMQ's own format (rabbitmq.com/docs/passwords)."""
    salt = secrets.token_bytes(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    user = {"name": USER, "password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "administrator"}
    permissions = {"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return {"users": [user], "vhosts": [{"name": "/"}], "permissions": [permissions]}

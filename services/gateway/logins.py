"""Tells of logins, for the audit log: no answer waits for it; a long outage of the broker costs the oldest of them, but no login."""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

import structlog
from prometheus_client import Counter

from services.gateway.directory import Directory, Person
from services.gateway.login_limit import FailureLimit
from services.gateway.problems import Problem
from services.gateway.rate_limit import address_key
from shared.contracts.audit import LoginRecorded
from shared.contracts.topology import ENVELOPE_EVENTS, route_of
from shared.delivery.publisher import Publisher, publish_envelope
from shared.keys import Keys

log = structlog.get_logger(__name__)

LABEL: Final = "login-name"
WAITING_MAX: Final = 1_000

_REFUSED_TOKENS_A_MINUTE: Final = 60
_AGAIN_MIN_SECONDS: Final = 0.2
_AGAIN_MAX_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 2.0
_ADDRESS_LENGTH_MAX: Final = 64
_IPV4_BITS: Final = 24
_IPV6_BITS: Final = 48

_DROPPED: Final = Counter("purser_logins_not_recorded_total", "Logins that the audit log will not know of")

Client = tuple[str, int] | None
"""Address and port, as the server has it."""


class LoginRecords:
    """Hands logins to the broker one envelope after the other; `start` and `stop` are the process's."""

    def __init__(self, publisher: Publisher, keys: Keys, *, waiting_max: int = WAITING_MAX) -> None:
        self._publisher = publisher
        self._keys = keys
        self._waiting: deque[LoginRecorded] = deque()
        self._waiting_max = waiting_max
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._refused_tokens = FailureLimit(_REFUSED_TOKENS_A_MINUTE)
        self._task: asyncio.Task[None] | None = None

    # ---- what is told

    async def authenticated(self, directory: Directory, login: str, password: str, client: Client, request_id: str) -> Person:
        """Directory.authenticate, and either of its outcomes told of. What was refused unchecked (too many) is not told."""
        network = network_of(client)
        try:
            person = await directory.authenticate(login, password, address_key(client))
        except Problem as problem:
            if problem.code == "invalid_credentials":
                user_id = directory.user_id_of(login)
                self._tell(
                    LoginRecorded(
                        correlation_id=request_id,
                        method="password",
                        outcome="failed",
                        user_id=user_id,
                        login_hash=None if user_id is not None else self._hash(login),
                        network=network,
                    )
                )
            raise
        self._tell(
            LoginRecorded(correlation_id=request_id, method="password", outcome="succeeded", user_id=person.user_id, network=network)
        )
        return person

    def token_accepted(self, user_id: str, client: Client, request_id: str) -> None:
        """A token was put into the session cookie."""
        network = network_of(client)
        self._tell(LoginRecorded(correlation_id=request_id, method="token", outcome="succeeded", user_id=user_id, network=network))

    def token_refused(self, client: Client, request_id: str) -> None:
        """Somebody came with a token that is none of ours. Of one address only so many a minute are told."""
        address = address_key(client)
        if self._refused_tokens.wait_seconds(address):
            _DROPPED.inc()
            return
        self._refused_tokens.failed(address)
        network = network_of(client)
        self._tell(LoginRecorded(correlation_id=request_id, method="token", outcome="failed", user_id=None, network=network))

    def _hash(self, login: str) -> str:
        """The same for the same name, and nobody can compute it who has not our key."""
        return hmac.digest(self._keys.signing(LABEL), login.strip().lower().encode(), sha256)[:16].hex()

    def _tell(self, login: LoginRecorded) -> None:
        if len(self._waiting) >= self._waiting_max:
            self._waiting.popleft()
            _DROPPED.inc()
        self._waiting.append(login)
        self._arrived.set()

    # ---- how it leaves

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="login records")

    async def stop(self) -> None:
        """Hands over what waits, as far as that is possible in time."""
        if self._task is None:
            return
        self._stopping.set()
        self._arrived.set()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._task
        except TimeoutError:
            log.warning("logins not recorded", count=len(self._waiting))
            _DROPPED.inc(len(self._waiting))

    async def _run(self) -> None:
        route = route_of(LoginRecorded)
        again = _AGAIN_MIN_SECONDS
        while True:
            await self._arrived.wait()
            if not self._waiting:
                if self._stopping.is_set():
                    return
                self._arrived.clear()
                continue
            batch = [self._waiting[n] for n in range(min(len(self._waiting), ENVELOPE_EVENTS))]
            try:
                await publish_envelope(self._publisher, route.exchange, route.key, batch)
            except Exception as error:
                # Whatever it is: this task is the only one that sends them.
                log.warning("logins wait to be recorded", count=len(self._waiting), error=type(error).__name__)
                await self._pause(again)
                again = min(again * 2, _AGAIN_MAX_SECONDS)
                continue
            again = _AGAIN_MIN_SECONDS
            self._forget(batch)

    def _forget(self, sent: list[LoginRecorded]) -> None:
        # Some of them may have been dropped meanwhile, from the same end.
        ids = {login.message_id for login in sent}
        while self._waiting and self._waiting[0].message_id in ids:
            self._waiting.popleft()

    async def _pause(self, seconds: float) -> None:
        if self._stopping.is_set():
            await asyncio.sleep(_AGAIN_MIN_SECONDS)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def network_of(client: Client) -> str | None:
    """Where a client is, so far as not to tell one household from its neighbours: an IPv4 /24, an IPv6 /48; None when it cannot be read."""
    host = client[0] if client else ""
    if len(host) > _ADDRESS_LENGTH_MAX:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    # By its number: an IPv6 zone, which names a network card, is left behind.
    if address.version == 4:
        return str(IPv4Network((int(address), _IPV4_BITS), strict=False))
    return str(IPv6Network((int(address), _IPV6_BITS), strict=False))

"""The sockets: opened for whom may, given their frames without waiting, closed with a code that says why (api.md, "Live updates")."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

import structlog
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import OPEN

from services.notifier.admission import Admission, Admitted, Refused
from services.notifier.counts import Counts
from services.notifier.frames import Balance
from services.notifier.hub import Hub, Subscriber, TooManySockets
from services.notifier.wallet import TicketUsed
from shared.contracts.base import new_id
from shared.delivery.errors import DeliveryError

log = structlog.get_logger(__name__)

UNAUTHORIZED: Final = 4401
TOO_MANY_SOCKETS: Final = 4429
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013
POLICY_VIOLATION: Final = 1008

_OPEN_TIMEOUT_SECONDS: Final = 10
_CLOSE_TIMEOUT_SECONDS: Final = 3
_STOP_TIMEOUT_SECONDS: Final = 5
# Clients have nothing to say: small frames, few of them.
_INBOUND_BYTES: Final = 1024
_INBOUND_MESSAGES: Final = 100
_INBOUND_QUEUE: Final = 4
# Of all frames, pings and pongs too: one a second is some 130 bytes. Each ping makes the library write a pong, whether or not it is read.
_INBOUND_BYTES_PER_SECOND: Final = 1024
_INBOUND_BURST_SECONDS: Final = 64
# A slow socket holds at most this much here, and the other figure in the kernel (which doubles what it is given), then is merged for.
# Nothing more is written until all of it has been taken, so that the merged frame is as new as can be.
_WRITE_BUFFER_BYTES: Final = (32 * 1024, 0)
_KERNEL_BUFFER_BYTES: Final = 64 * 1024

OpenStream = Callable[[Admitted, str], Awaitable[tuple[Balance, ...]]]
Page = Callable[[Request], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """`sockets_max` of all users together; times in seconds."""

    sockets_max: int
    ping_interval_seconds: float
    ping_timeout_seconds: float
    slow_socket_seconds: float


class LiveConnection(ServerConnection):
    """A connection that frames are pushed to without waiting, that tells when it cannot keep up, and that hears so much and no more."""

    subscriber: Subscriber | None = None
    counts: Counts
    slow_socket_seconds: float
    on_drained: Callable[[Subscriber], None]
    _give_up: asyncio.TimerHandle | None = None
    _heard_until: float = 0.0
    """When all that was heard would have come at the rate that is allowed."""

    @property
    def writable(self) -> bool:
        return not self.paused and self.protocol.state is OPEN

    def push(self, text: bytes) -> None:
        # The library's way to write without waiting. A hand-made frame straight to the transport saves 2 to 5 of some 25 us: not worth
        # knowing the library's insides.
        broadcast((self,), text, text=True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.protocol.state is not OPEN:
            return  # the handshake, which has bounds of its own, or what comes after the end
        now = self.loop.time()
        self._heard_until = max(self._heard_until, now) + len(data) / _INBOUND_BYTES_PER_SECOND
        if self._heard_until > now + _INBOUND_BURST_SECONDS:
            self.counts.talkative_dropped += 1
            log.info("talkative socket dropped", user_id=self.subscriber.user_id if self.subscriber else None)
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.counts.sockets_slow += 1
        self._give_up = self.loop.call_later(self.slow_socket_seconds, self._drop)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._no_longer_slow()
        if self.subscriber is not None:
            # Not from within the transport's own writing.
            self.loop.call_soon(self.on_drained, self.subscriber)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_longer_slow()
        super().connection_lost(exc)

    def _no_longer_slow(self) -> None:
        if self._give_up is not None:
            self._give_up.cancel()
            self._give_up = None
            self.counts.sockets_slow -= 1

    def _drop(self) -> None:
        # A close frame would only join the queue that is not taken.
        self.counts.slow_dropped += 1
        log.info("slow socket dropped", user_id=self.subscriber.user_id if self.subscriber else None)
        self.transport.abort()


class SocketServer:
    """Serves `/ws` on `listener`, and hands every other request to `page` (None from it: the request is for /ws and may go on)."""

    def __init__(
        self, listener: socket.socket, page: Page, hub: Hub, admission: Admission, open_stream: OpenStream, counts: Counts, limits: Limits
    ) -> None:
        self._listener = listener
        self._page = page
        self._hub = hub
        self._admission = admission
        self._open_stream = open_stream
        self._counts = counts
        self._limits = limits
        self._server: Server | None = None

    async def start(self) -> None:
        # Accepted sockets inherit it; the default would let the kernel keep megabytes of old news for a client that does not read.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)
        logger = logging.getLogger("websockets.server")
        logger.setLevel(logging.ERROR)  # every scanner's broken handshake is a warning to the library
        self._server = await serve(
            self._live,
            sock=self._listener,
            process_request=self._on_request,
            # Called, nothing more; the annotation is narrower than the use.
            create_connection=cast("type[ServerConnection]", self._connection),
            compression=None,
            server_header=None,
            open_timeout=_OPEN_TIMEOUT_SECONDS,
            ping_interval=self._limits.ping_interval_seconds,
            ping_timeout=self._limits.ping_timeout_seconds,
            close_timeout=_CLOSE_TIMEOUT_SECONDS,
            max_size=_INBOUND_BYTES,
            max_queue=_INBOUND_QUEUE,
            write_limit=_WRITE_BUFFER_BYTES,
            logger=logger,
        )

    async def stop(self) -> None:
        """Takes no new connection, closes every socket with 1012; those that do not answer within 5 s are cut."""
        if self._server is None:
            return
        connections = list(self._server.all_connections)
        self._server.close(code=SERVICE_RESTART, reason="service restart")
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                await self._server.wait_closed()
        except TimeoutError:
            for connection in connections:
                connection.transport.abort()
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                await self._server.wait_closed()

    def _connection(self, *args: Any, **kwargs: Any) -> LiveConnection:
        connection = LiveConnection(*args, **kwargs)
        connection.counts = self._counts
        connection.slow_socket_seconds = self._limits.slow_socket_seconds
        connection.on_drained = self._hub.drained
        return connection

    async def _on_request(self, _: ServerConnection, request: Request) -> Response | None:
        return await self._page(request)

    async def _live(self, connection: ServerConnection) -> None:
        assert isinstance(connection, LiveConnection)
        self._counts.sockets += 1
        try:
            code, reason = await self._until_closed(connection)
            await _close(connection, code, reason)
        except ConnectionClosed:
            pass
        finally:
            self._counts.sockets -= 1
            if connection.subscriber is not None:
                self._hub.leave(connection.subscriber)

    async def _until_closed(self, connection: LiveConnection) -> tuple[int, str]:
        """Lives the socket's life; the code and the reason to close it with. ConnectionClosed when the client went first."""
        if self._counts.sockets > self._limits.sockets_max:
            self._counts.overload_refused += 1
            return TRY_AGAIN_LATER, "too many sockets"
        request = connection.request
        assert request is not None
        try:
            admitted = self._admission.admit(request.path, request.headers.get_all("Authorization"))
        except Refused as error:
            return self._unauthorized(str(error))
        try:
            async with asyncio.timeout(_seconds_until(admitted.session_expires_at)):
                return await self._stay(connection, admitted)
        except TimeoutError:
            return UNAUTHORIZED, "session expired"

    async def _stay(self, connection: LiveConnection, admitted: Admitted) -> tuple[int, str]:
        correlation_id = str(new_id())
        try:
            subscriber = connection.subscriber = self._hub.join(admitted.user_id, connection)
        except TooManySockets:
            self._counts.overload_refused += 1
            return TOO_MANY_SOCKETS, "too many sockets of this user"
        try:
            balances = await self._open_stream(admitted, correlation_id)
        except TicketUsed:
            return self._unauthorized("ticket used before")
        except DeliveryError as error:
            self._counts.overload_refused += 1
            log.warning("no snapshot", correlation_id=correlation_id, user_id=admitted.user_id, error=type(error).__name__)
            return TRY_AGAIN_LATER, "no snapshot now, try again"
        self._hub.open(subscriber, balances)
        log.info("socket opened", correlation_id=correlation_id, user_id=admitted.user_id)
        return await _discard_inbound(connection)

    def _unauthorized(self, reason: str) -> tuple[int, str]:
        self._counts.tickets_refused += 1
        log.info("socket refused", reason=reason)
        return UNAUTHORIZED, "unauthorized"


async def _discard_inbound(connection: LiveConnection) -> tuple[int, str]:
    for _ in range(_INBOUND_MESSAGES):
        await connection.recv(decode=False)
    return POLICY_VIOLATION, "nothing is expected from clients"


async def _close(connection: LiveConnection, code: int, reason: str) -> None:
    # The library waits for room to write before its own close timeout begins: a socket that takes nothing would hold us.
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS + 1):
            await connection.close(code, reason)
    except TimeoutError:
        connection.transport.abort()


def _seconds_until(moment: datetime) -> float:
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())

"""A TCP proxy between a client and a server that can cut the line, let it hang, or mend it: a broker that is gone, or stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_CHUNK_BYTES = 65_536


class TcpProxy:
    """Forwards 127.0.0.1:`port` to a server. `hang` keeps connections open and passes nothing on; `cut` ends them and takes no new ones."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._target_port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut = False
        self._limit_bytes: int | None = None
        self.port = 0
        self.accepted = 0

    @property
    def hangs(self) -> bool:
        return not self._flowing.is_set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._cut = True
        await self._end_connections()
        if self._server is not None:
            self._server.close()

    def hang(self) -> None:
        """From now on nothing passes in either direction; nobody is told. New connections are taken, and hang too."""
        self._flowing.clear()

    async def cut(self) -> None:
        """Ends all connections; new ones are ended at once."""
        self._cut = True
        await self._end_connections()

    async def drop(self) -> None:
        """Ends all connections of now; new ones work."""
        await self._end_connections()

    def cut_after(self, limit_bytes: int) -> None:
        """Each new connection is ended when the server has sent so many bytes."""
        self._limit_bytes = limit_bytes

    def restore(self) -> None:
        """All passes again: what hung goes on where it stopped."""
        self._cut = False
        self._limit_bytes = None
        self._flowing.set()

    async def _end_connections(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._cut:
                await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the end of a connection is no error here, and cut() means this one
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(self._host, self._target_port)
        try:
            to_server = asyncio.create_task(self._pump(reader, upstream_writer, None))
            to_client = asyncio.create_task(self._pump(upstream_reader, writer, self._limit_bytes))
            try:
                await asyncio.wait({to_server, to_client}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (to_server, to_client):
                    pump.cancel()
                await asyncio.gather(to_server, to_client, return_exceptions=True)
        finally:
            upstream_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit_bytes: int | None) -> None:
        passed = 0
        while data := await reader.read(_CHUNK_BYTES):
            await self._flowing.wait()
            if limit_bytes is not None:
                data = data[: limit_bytes - passed]
            writer.write(data)
            passed += len(data)
            await writer.drain()
            if passed == limit_bytes:
                return


@asynccontextmanager
async def tcp_proxy(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy to the server that `url` names, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = TcpProxy(parts.hostname, parts.port)
    await proxy.start()
    try:
        yield proxy, parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
    finally:
        with suppress(OSError):
            await proxy.close()

"""A TCP link to a server that a test can cut (connections reset, new ones refused), stall (bytes held back) and mend."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class CutLink:
    """Stands between a client, which uses `url`, and the server behind."""

    def __init__(self, host: str, port: int) -> None:
        self.url = ""
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut = False

    @classmethod
    @asynccontextmanager
    async def to(cls, server_url: str) -> AsyncIterator[CutLink]:
        parts = urlsplit(server_url)
        link = cls(parts.hostname or "127.0.0.1", parts.port or 5672)
        link._server = await asyncio.start_server(link._serve, "127.0.0.1", 0)
        port = link._server.sockets[0].getsockname()[1]
        login = parts.netloc.rpartition("@")[0]
        link.url = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
        try:
            yield link
        finally:
            link.cut()
            link._server.close()

    def cut(self) -> None:
        """Every connection is reset, and new ones are."""
        self._cut = True
        self._flowing.set()
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Connections stay open and nothing passes."""
        self._flowing.clear()

    def mend(self) -> None:
        self._cut = False
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            writer.close()

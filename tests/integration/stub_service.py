"""Stands for one of the four services in tests of the runner: ready at once, stops on SIGTERM, and can be told to fail."""

import asyncio
import os
import signal
import sys


async def main(service: str) -> None:
    """STUB_FAIL_<SERVICE>=start: ends before it is ready."""
    if os.environ.get(f"STUB_FAIL_{service.upper()}") == "start":
        sys.exit(f"{service}: SOME_SETTING is wrong")
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", int(os.environ[f"{service.upper()}_PORT"]))
    print(f"{service} sees DATABASE_URL: {'DATABASE_URL' in os.environ}", flush=True)
    await told.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""`make reconcile`: compares a day of this checkout's book with the providers' own, whether `make run` is up or not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from deploy.local.checkout import LOCAL, only_one, read_settings
from deploy.local.errors import LocalError
from deploy.local.places import kept_secret
from deploy.local.ports import is_free
from deploy.local.postgres import PostgresServer
from deploy.local.services import PROJECT
from deploy.local.stand_ins import NAMES, StandIns, configured, listed, needed
from deploy.prepare import database_urls

_CANNOT_TELL = 2
_NOBODY = "amqp://nobody@127.0.0.1/"


def main() -> None:
    """Hands its arguments on to `python -m services.payments.compare` (--help tells them), and exits as that does."""
    try:
        raise SystemExit(asyncio.run(_compare(sys.argv[1:])))
    except LocalError as error:
        print(f"reconcile: {error}", file=sys.stderr)
        raise SystemExit(_CANNOT_TELL) from None


async def _compare(arguments: list[str]) -> int:
    async with _environment() as environment:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.payments.compare", *arguments), cwd=PROJECT, env={**os.environ, **environment}
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


def require_running(stand_ins: StandIns) -> None:
    """Their books are in their memory: once they have stopped there is nothing to compare with."""
    stand_ins.attach()
    if gone := [name for name in stand_ins.names if is_free(stand_ins.port(name))]:
        raise LocalError(f"what plays {listed(gone)} here does not run, and its book is gone with it: compare while `make run` is up")


@asynccontextmanager
async def _environment() -> AsyncIterator[dict[str, str]]:
    """The settings of this checkout's payments; without `make run`, PostgreSQL is started for the while."""
    settings = read_settings()
    if not configured(settings):
        raise LocalError(f"no provider has credentials here; name those that `make run` plays, as for it: PROVIDERS={','.join(NAMES)}")
    secret = settings.get("SECRET_KEY") or kept_secret(LOCAL / "secret-key")
    stand_ins = StandIns(needed(settings), LOCAL, LOCAL / "logs", settings, None, None)
    if stand_ins.names:
        require_running(stand_ins)
    environment = stand_ins.settings | {
        "SECRET_KEY": secret,
        "DATA_KEYS": settings.get("DATA_KEYS") or kept_secret(LOCAL / "data-key"),
        # Nothing is sent; the setting has to be there.
        "AMQP_URL": settings.get("AMQP_URL") or _NOBODY,
    }
    if "DATABASE_URL" in settings:
        yield environment | {"DATABASE_URL": database_urls(settings["DATABASE_URL"], secret).payments}
        return
    server = PostgresServer(LOCAL / "postgres", logs=LOCAL / "logs")
    if not server.directory.exists():
        raise LocalError("this checkout has no book yet: `make run` makes one; or set DATABASE_URL")
    with ExitStack() as lock:
        try:
            lock.enter_context(only_one(LOCAL, "Purser"))
        except LocalError:  # `make run` is up, and so is its server
            server.attach()
            yield environment | {"DATABASE_URL": database_urls(server.admin_url, secret).payments}
            return
        try:
            await server.start()
            yield environment | {"DATABASE_URL": database_urls(server.admin_url, secret).payments}
        finally:
            await server.stop()


if __name__ == "__main__":
    main()

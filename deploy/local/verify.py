"""`make verify`: checks the book of this checkout, whether `make run` is up or not."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

from deploy.local.checkout import CACHE, LOCAL, only_one, read_settings
from deploy.local.errors import LocalError
from deploy.local.places import kept_secret
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.services import PROJECT
from deploy.prepare import database_urls
from deploy.verify import CANNOT_ASK

_SECONDS = 600.0


def main() -> None:
    """Exits as `python -m deploy.verify` does: 0 when every invariant holds, 1 when some are broken, 2 when they cannot be asked."""
    argparse.ArgumentParser(
        prog="python -m deploy.local.verify",
        description=__doc__,
        epilog="With VERIFIER_DATABASE_URL set, that database is checked; with DATABASE_URL (an administrator's login), that one.",
    ).parse_args()
    try:
        code = asyncio.run(_verify())
    except LocalError as error:
        print(f"verify: {error}", file=sys.stderr)
        code = CANNOT_ASK
    raise SystemExit(code)


async def _verify() -> int:
    async with _logins() as logins:
        code, output = await run_verifier(logins, timeout_seconds=_SECONDS)
        print(output, end="")
        return code


async def run_verifier(logins: Mapping[str, str], *arguments: str, timeout_seconds: float) -> tuple[int, str]:
    """The operator's own command as a process: its exit status and all that it printed. `logins`: VERIFIER_DATABASE_URL, AMQP_URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.verify", *arguments),
        cwd=PROJECT,
        env={**os.environ, **logins},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_seconds)
    except TimeoutError as error:
        raise LocalError(f"verify took longer than {timeout_seconds:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


@asynccontextmanager
async def _logins() -> AsyncIterator[dict[str, str]]:
    """The read-only login to the book, and the broker's where one runs; without `make run`, PostgreSQL is started for the while."""
    settings = read_settings()
    if "VERIFIER_DATABASE_URL" in settings:
        yield {}
        return
    secret = settings.get("SECRET_KEY") or kept_secret(LOCAL / "secret-key")
    if "DATABASE_URL" in settings:
        yield {"VERIFIER_DATABASE_URL": database_urls(settings["DATABASE_URL"], secret).verifier}
        return
    server = PostgresServer(LOCAL / "postgres", logs=LOCAL / "logs")
    if not server.directory.exists():
        raise LocalError("this checkout has no book yet: `make run` makes one; or set VERIFIER_DATABASE_URL")
    with ExitStack() as lock:
        try:
            lock.enter_context(only_one(LOCAL, "Purser"))
        except LocalError:  # `make run` is up, and so are its servers
            server.attach()
            logins = {"VERIFIER_DATABASE_URL": database_urls(server.admin_url, secret).verifier}
            if "AMQP_URL" not in settings:
                rabbitmq = RabbitmqServer(LOCAL / "rabbitmq", CACHE)
                rabbitmq.attach()
                logins["AMQP_URL"] = rabbitmq.amqp_url
            yield logins
            return
        try:
            await server.start()
            yield {"VERIFIER_DATABASE_URL": database_urls(server.admin_url, secret).verifier}
        finally:
            await server.stop()


if __name__ == "__main__":
    main()

"""The yardstick: pgbench's tpcb-like transaction, 16 clients, prepared, on the same PostgreSQL in the same run."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.local.postgres_files import find_programs

_SCALE = 10


async def tpcb_per_second(admin_url: str, seconds: int) -> float:
    """Transactions a second. pgbench's tables are made in the database `postgres` of the same server, once."""
    await _pgbench(admin_url, "--initialize", f"--scale={_SCALE}", "--quiet")
    output = await _pgbench(admin_url, "--client=16", "--jobs=2", "--protocol=prepared", f"--time={seconds}", "--no-vacuum")
    found = re.search(r"tps = ([0-9.]+)", output)
    assert found is not None, output
    return float(found[1])


async def _pgbench(admin_url: str, *arguments: str) -> str:
    parts = urlsplit(admin_url)
    program = find_programs(Path("no-data-yet")) / "pgbench"
    process = await asyncio.create_subprocess_exec(
        str(program),
        *arguments,
        f"--host={parts.hostname}",
        f"--port={parts.port}",
        f"--username={parts.username}",
        "postgres",
        env={"PGPASSWORD": unquote(parts.password or ""), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    return output.decode()

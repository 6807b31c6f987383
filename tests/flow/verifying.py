"""Runs the verifier as an operator does: the command, as a process, over the running stack."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from deploy.local.services import PROJECT
from deploy.local.stack import Stack

_SECONDS = 60.0


async def verify(stack: Stack, *arguments: str) -> tuple[int, str]:
    """Its exit status and everything that it printed."""
    assert stack.database_urls is not None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.verify", *arguments),
        cwd=PROJECT,
        env={**os.environ, "VERIFIER_DATABASE_URL": stack.database_urls.verifier, "AMQP_URL": stack.amqp_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()

"""Runs the verifier as an operator does: the command, as a process, over the running stack."""

from __future__ import annotations

from deploy.local.stack import Stack
from deploy.local.verify import run_verifier

_SECONDS = 60.0


async def verify(stack: Stack, *arguments: str) -> tuple[int, str]:
    """Its exit status and everything that it printed."""
    assert stack.database_urls is not None
    logins = {"VERIFIER_DATABASE_URL": stack.database_urls.verifier, "AMQP_URL": stack.amqp_url}
    return await run_verifier(logins, *arguments, timeout_seconds=_SECONDS)

"""Sameness of requests: `unique (caller, operation, key hash)` decides it, and keeps the first final answer, sealed, for replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from shared.contracts.payment_commands import Idempotency
from shared.postgres import Connection
from shared.sealing import Seal

PURPOSE: Final = "kept-answer"

WORKING_SECONDS: Final = 20
"""How long the message that holds a key is believed to be at work; then a repeat takes over (every step is repeatable)."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """This message is the one to work on it. `resource_id`: of what the first request under this key began, whoever goes on with it."""

    resource_id: UUID | None


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier request under this key got this final answer (the reply's JSON)."""

    answer: str


@dataclass(frozen=True, slots=True)
class Reused:
    """The key belongs to another request."""


@dataclass(frozen=True, slots=True)
class InUse:
    """The same request is being worked on right now."""


Claim = Claimed | Answered | Reused | InUse


async def claim(tx: Connection, seal: Seal, request: Idempotency, message_id: UUID, resource_id: UUID | None = None) -> Claim:
    """Takes the request's key for `message_id`, or says why not. A request without a key is always Claimed. `resource_id`: of what the
    request makes, if it is the first under its key. Unreadable (shared/sealing.py) when the key that sealed its answer is gone.

    Concurrent claims of one key take turns here, on the unique row, until the other's transaction has ended.
    """
    if request.key_hash is None:
        return Claimed(resource_id)
    key = (request.caller, request.operation, request.key_hash)
    inserted = await tx.fetchval(
        """
        insert into payments.idempotency_keys (caller, operation, key_hash, fingerprint, holder, working_until, resource_id)
        values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6), $7)
        on conflict (caller, operation, key_hash) do nothing
        returning true
        """,
        *key,
        request.fingerprint,
        message_id,
        float(WORKING_SECONDS),
        resource_id,
    )
    if inserted:
        return Claimed(resource_id)
    row = await tx.fetchrow(
        """
        select fingerprint, answer, sealed_answer, resource_id, holder = $4 or working_until < clock_timestamp() as free
        from payments.idempotency_keys where caller = $1 and operation = $2 and key_hash = $3 for update
        """,
        *key,
        message_id,
    )
    if row is None or row["fingerprint"] != request.fingerprint:
        return Reused()
    if (answer := kept_answer(seal, row)) is not None:
        return Answered(answer)
    if not row["free"]:
        return InUse()
    await tx.execute(
        """
        update payments.idempotency_keys set holder = $4, working_until = clock_timestamp() + make_interval(secs => $5)
        where caller = $1 and operation = $2 and key_hash = $3
        """,
        *key,
        message_id,
        float(WORKING_SECONDS),
    )
    return Claimed(row["resource_id"] or resource_id)


async def known_caller(db: Connection, request: Idempotency, former_callers: Sequence[str]) -> str | None:
    """The one of these names under which the same key of the same operation was claimed before, if one was."""
    if request.key_hash is None or not former_callers:
        return None
    caller = await db.fetchval(
        "select caller from payments.idempotency_keys where caller = any($1::text[]) and operation = $2 and key_hash = $3 limit 1",
        former_callers,
        request.operation,
        request.key_hash,
    )
    return None if caller is None else str(caller)


async def keep(tx: Connection, seal: Seal, request: Idempotency, answer: str) -> str:
    """Keeps the final answer (JSON text) of a claimed request; the kept one is returned, which is an earlier one if there was."""
    if request.key_hash is None:
        return answer
    sealed = seal.close(answer.encode())
    row = await tx.fetchrow(
        """
        update payments.idempotency_keys
        set sealed_answer = case when answer is null then coalesce(sealed_answer, $4) else sealed_answer end
        where caller = $1 and operation = $2 and key_hash = $3
        returning answer, sealed_answer
        """,
        request.caller,
        request.operation,
        request.key_hash,
        sealed,
    )
    assert row is not None
    if row["sealed_answer"] == sealed:
        return answer
    kept = kept_answer(seal, row)
    assert kept is not None
    return kept


async def leave(tx: Connection, request: Idempotency) -> None:
    """Nobody works on the claimed request for now: what it began goes on by itself, and whoever asks again takes it up at once."""
    await tx.execute(
        """
        update payments.idempotency_keys set working_until = least(working_until, clock_timestamp())
        where caller = $1 and operation = $2 and key_hash = $3 and answer is null and sealed_answer is null
        """,
        request.caller,
        request.operation,
        request.key_hash,
    )


def kept_answer(seal: Seal, row: Any) -> str | None:
    """The answer in a row's `answer` and `sealed_answer`, as it was given; those of before answers were sealed are there readable."""
    sealed: bytes | None = row["sealed_answer"]
    if sealed is not None:
        return seal.open(sealed).decode()
    answer: str | None = row["answer"]
    return answer

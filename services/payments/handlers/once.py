"""Worked on once: a request's key is claimed before its work begins, its final answer kept with what the work made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar
from uuid import UUID

from services.payments import idempotency
from services.payments.domain import refusals
from shared.contracts.base import Reply, utc_now
from shared.contracts.payment_commands import Command, CommandReply, InProgress, Refused
from shared.postgres import Connection, Pool, transaction
from shared.sealing import Seal

Answer = TypeVar("Answer", bound=Reply)
Begun = TypeVar("Begun")

_IN_USE_WAIT_SECONDS: Final = 3.0
_IN_USE_RECHECK_SECONDS: Final = 0.05


class Once(Generic[Answer]):
    """For commands whose answer is `Answer`. `answers` seals what is kept; `reply` is CommandReply[Answer]."""

    def __init__(self, pool: Pool, answers: Seal, reply: type[CommandReply[Answer]]) -> None:
        self._pool = pool
        self._answers = answers
        self._reply = reply

    def reply(self, answer: Answer | Refused | InProgress) -> CommandReply[Answer]:
        return self._reply(answer=answer)

    async def begin(
        self,
        command: Command,
        work: Callable[[Connection, UUID | None], Awaitable[Begun | CommandReply[Answer]]],
        *,
        resource_id: UUID | None = None,
    ) -> Begun | CommandReply[Answer]:
        """Runs `work` in the transaction that claims the request's key, or tells what was answered before (replayed).

        `work` gets the id of what the first request under this key began (`resource_id` of that one): when that is there already, the
        same command came again after a crash half-way, and goes on however late. It calls check_deadline before it makes anything new;
        a refusal that it returns is final and kept.
        """
        deadline = asyncio.get_running_loop().time() + _IN_USE_WAIT_SECONDS
        while True:
            try:
                async with transaction(self._pool) as tx:
                    match await idempotency.claim(tx, self._answers, command.idempotency, command.message_id, resource_id):
                        case idempotency.Answered(answer):
                            return self._reply.model_validate_json(answer).model_copy(update={"replayed": True})
                        case idempotency.Reused():
                            return self._reply(answer=refusals.key_reused(command.correlation_id))
                        case idempotency.Claimed(first_id):
                            begun = await work(tx, first_id)
                            if isinstance(begun, CommandReply):
                                return await self.keep(tx, command, begun)
                            return begun
                        case idempotency.InUse():
                            pass
            except refusals.TooLate:
                return self._reply(answer=refusals.too_late(command.correlation_id))
            if asyncio.get_running_loop().time() > deadline:
                return self._reply(answer=refusals.key_in_use(command.correlation_id))
            await asyncio.sleep(_IN_USE_RECHECK_SECONDS)

    async def refused(self, command: Command, refusal: Refused) -> CommandReply[Answer]:
        """The refusal as the request's final answer."""
        async with transaction(self._pool) as tx:
            return await self.keep(tx, command, self._reply(answer=refusal))

    async def unavailable(self, command: Command, refusal: Refused) -> CommandReply[Answer]:
        """Nothing was done, and the same request may be made again: the refusal is not kept, its key is free."""
        async with transaction(self._pool) as tx:
            await idempotency.leave(tx, command.idempotency)
        return self._reply(answer=refusal)

    async def keep(self, tx: Connection, command: Command, reply: CommandReply[Answer]) -> CommandReply[Answer]:
        """Keeps a final answer; an earlier one under the same key wins, as replayed. In progress is no final answer: the key is free for
        whoever asks again."""
        if isinstance(reply.answer, InProgress):
            await idempotency.leave(tx, command.idempotency)
            return reply
        text = reply.model_dump_json()
        kept = await idempotency.keep(tx, self._answers, command.idempotency, text)
        return reply if kept == text else self._reply.model_validate_json(kept).model_copy(update={"replayed": True})


def check_deadline(command: Command) -> None:
    """TooLate past the command's deadline: the transaction is undone, and the claim of its key with it."""
    if utc_now() > command.deadline:
        raise refusals.TooLate

"""Pending payments in bulk, straight into the tables, and the signed events that complete them: the bench begins at the webhook."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson

from deploy.local.stack import Stack
from services.payments.providers.mock.adapter import sign
from shared.contracts.base import new_id, utc_now
from shared.keys import Keys


@dataclass(frozen=True, slots=True)
class Proof:
    """A webhook that is ready to be posted: `head` are the signature's header lines."""

    payment_id: str
    head: bytes
    body: bytes


async def seed(stack: Stack, users: list[str], count: int) -> list[Proof]:
    """`count` pending deposits of 1.00 rsd, spread over `users`; their proofs in the same order."""
    payments = [(new_id(), new_id(), users[number % len(users)]) for number in range(count)]
    admin = await asyncpg.connect(stack.admin_database_url)
    try:
        await admin.execute(
            """
            insert into payments.payments (payment_id, session_id, user_id, kind, provider, amount_minor, currency, status, locale,
                                           correlation_id, expires_at)
            select payment_id, session_id, user_id, 'deposit', 'mock', 100, 'rsd', 'pending', 'en', 'bench', $4
            from unnest($1::uuid[], $2::uuid[], $3::text[]) as seeded (payment_id, session_id, user_id)
            """,
            [payment_id for payment_id, _, _ in payments],
            [session_id for _, session_id, _ in payments],
            [user for _, _, user in payments],
            utc_now() + timedelta(hours=1),
        )
    finally:
        await admin.close()
    keys = Keys((stack.secret_key,))
    return [_proof(payment_id, session_id, keys) for payment_id, session_id, _ in payments]


def _proof(payment_id: UUID, session_id: UUID, keys: Keys) -> Proof:
    event_id = f"evt_{session_id.hex}_success"
    data = {"session_id": str(session_id), "charge": f"ch_{payment_id.hex}", "amount_minor": 100, "currency": "rsd"}
    body = orjson.dumps({"id": event_id, "type": "session.paid", "created": utc_now().isoformat(), "data": data})
    signed = sign(event_id, body, keys)
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items()).encode()
    return Proof(str(payment_id), head, body)

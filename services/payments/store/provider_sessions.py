"""What providers have said of a payment's session there: its address, a rejection, how long it is open or watched, when to ask next."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.payments.domain.payments import Payment
from shared.contracts.payment_commands import Refused
from shared.postgres import Connection


async def save_session(tx: Connection, opened: Payment) -> None:
    """What the provider answered to creating the session; a second answer for the same session changes nothing."""
    await tx.execute(
        """
        update payments.payments
        set sealed_url = $2, expires_at = $3, provider_reference = $4, client_secret = $5, updated_at = clock_timestamp()
        where payment_id = $1 and sealed_url is null and payment_url is null
        """,
        opened.payment_id,
        opened.sealed_url,
        opened.expires_at,
        opened.provider_reference,
        opened.client_secret,
    )


async def save_rejected(tx: Connection, payment_id: UUID, refusal: Refused) -> None:
    """The provider will not take it: unless it is over already it has failed, and the refusal tells why."""
    await tx.execute(
        """
        update payments.payments
        set status = 'failed', refusal = $2, external_id_held = false, updated_at = clock_timestamp()
        where payment_id = $1 and status in ('pending', 'failed') and sealed_url is null and payment_url is null
        """,
        payment_id,
        refusal.model_dump_json(),
    )


async def watch(tx: Connection, payment_id: UUID, until: datetime) -> None:
    """The provider is asked about this payment until then, though it is over on our side."""
    await tx.execute(
        "update payments.payments set watch_until = $2 where payment_id = $1 and status in ('expired', 'canceled')", payment_id, until
    )


async def keep_open(tx: Connection, payment_id: UUID, until: datetime, watched_until: datetime) -> None:
    """The payer has done their part: it is not over before its bank has decided; if it is over here, it is asked about all the longer."""
    await tx.execute(
        """
        update payments.payments
        set expires_at = case when status = 'pending' then greatest(expires_at, $2) else expires_at end,
            watch_until = case when status in ('expired', 'canceled') then greatest(watch_until, $3) end
        where payment_id = $1 and status in ('pending', 'expired', 'canceled')
        """,
        payment_id,
        until,
        watched_until,
    )


async def look_now(tx: Connection, session_id: UUID, provider: str) -> None:
    """The reconciler asks about this session's payment next; for an hour, if it is over: it may have been paid now."""
    await tx.execute(
        """
        update payments.payments
        set reconcile_at = clock_timestamp(),
            watch_until = case when status <> 'pending' then greatest(watch_until, clock_timestamp() + interval '1 hour') end
        where session_id = $1 and provider = $2 and status <> 'completed'
        """,
        session_id,
        provider,
    )

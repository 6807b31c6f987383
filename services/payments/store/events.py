"""Raw provider events, sealed: each once, with what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from shared.postgres import Connection
from shared.sealing import Seal

PURPOSE: Final = "provider-event"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A raw provider event as it is kept."""

    provider: str
    event_id: str
    headers: dict[str, str]
    body: bytes
    payment_id: UUID | None
    correlation_id: str
    received_at: datetime


async def insert_events(tx: Connection, seal: Seal, events: Sequence[StoredEvent]) -> set[tuple[str, str]]:
    """Stores each raw event once; the (provider, event id) of those that were not there before."""
    ordered = sorted(events, key=lambda event: (event.provider, event.event_id))
    rows = await tx.fetch(
        """
        insert into payments.provider_events (provider, event_id, sealed, payment_id, outcome, correlation_id, received_at)
        select provider, event_id, sealed, payment_id, 'applied', correlation_id, received_at
        from unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::text[], $6::timestamptz[])
            as event (provider, event_id, sealed, payment_id, correlation_id, received_at)
        on conflict (provider, event_id) do nothing
        returning provider, event_id
        """,
        [event.provider for event in ordered],
        [event.event_id for event in ordered],
        [_sealed(seal, event) for event in ordered],
        [event.payment_id for event in ordered],
        [event.correlation_id for event in ordered],
        [event.received_at for event in ordered],
    )
    return {(row["provider"], row["event_id"]) for row in rows}


async def note_outcomes(tx: Connection, outcomes: Sequence[tuple[str, str, str]]) -> None:
    """For (provider, event id, outcome): what came of events that were not simply applied."""
    if not outcomes:
        return
    await tx.execute(
        """
        update payments.provider_events as stored set outcome = noted.outcome
        from unnest($1::text[], $2::text[], $3::text[]) as noted (provider, event_id, outcome)
        where stored.provider = noted.provider and stored.event_id = noted.event_id
        """,
        [provider for provider, _, _ in outcomes],
        [event_id for _, event_id, _ in outcomes],
        [outcome for _, _, outcome in outcomes],
    )


def unsealed(seal: Seal, sealed: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body as they came."""
    headers, _, body = seal.open(sealed).partition(b"\n")
    return orjson.loads(headers), body


def _sealed(seal: Seal, event: StoredEvent) -> bytes:
    # JSON has no line feed of its own.
    return seal.close(orjson.dumps(event.headers) + b"\n" + event.body)

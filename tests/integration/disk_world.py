"""The disk under payments' database: read as whoever got hold of it would, and written as the versions before it was sealed did."""

from __future__ import annotations

from shared import postgres
from tests.integration.payments_world import ANSWERS, STEPS, PaymentsWorld


async def on_disk(world: PaymentsWorld) -> str:
    """Every column of every table of the service, sealed ones as the bytes that lie there."""
    tables = await world.rows("select tablename from pg_tables where schemaname = 'payments' and tablename <> 'schema_migrations'")
    rows = [await world.rows(f"select * from payments.{table['tablename']}") for table in tables]  # noqa: S608 - names of ours
    return repr(rows)


async def written_before(world: PaymentsWorld) -> None:
    """Links and kept answers lie there readable, as in rows that were written before they were sealed."""
    async with postgres.transaction(world.pool) as tx:
        for row in await tx.fetch("select payment_id, sealed_url from payments.payments where sealed_url is not null"):
            url = STEPS.url.open(row["sealed_url"]).decode()
            await tx.execute(
                "update payments.payments set payment_url = $2, sealed_url = null where payment_id = $1", row["payment_id"], url
            )
        for row in await tx.fetch("select sealed_answer from payments.idempotency_keys where sealed_answer is not null"):
            answer = ANSWERS.open(row["sealed_answer"]).decode()
            await tx.execute(
                "update payments.idempotency_keys set answer = $2, sealed_answer = null where sealed_answer = $1",
                row["sealed_answer"],
                answer,
            )

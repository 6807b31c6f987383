"""The audit log's own arrivals: logins that are told, and the question for the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.payments.domain import refusals
from services.payments.domain.audit import of_login
from services.payments.store import audit as store
from services.payments.store.audit import Filter
from services.payments.store.cursors import MalformedCursor
from shared.contracts.audit import AuditedAction, AuditPage, ListAudit, LoginRecorded
from shared.contracts.payment_commands import Refused
from shared.delivery.failures import Failure
from shared.postgres import Pool, connection, transaction


@dataclass(frozen=True, slots=True)
class AuditLog:
    pool: Pool

    async def handle(self, events: Sequence[LoginRecorded]) -> Sequence[Failure]:
        """Logins, each once, however often it is told."""
        async with transaction(self.pool) as tx:
            await store.write_down_once(tx, [of_login(login) for login in events])
        return ()

    async def page(self, query: ListAudit) -> AuditPage | Refused:
        wanted = Filter(query.actor, query.action, query.resource, query.since, query.until)
        try:
            async with connection(self.pool) as db:
                actions, next_cursor = await store.page(db, wanted, limit=query.limit, cursor=query.cursor)
        except MalformedCursor:
            return refusals.invalid_cursor(query.correlation_id)
        items = tuple(
            AuditedAction(
                id=action.audit_id,
                at=action.at,
                actor=action.actor,
                action=action.action,
                resource=action.resource,
                details=dict(action.details),
                request_id=action.request_id,
            )
            for action in actions
        )
        return AuditPage(items=items, next_cursor=next_cursor)

"""Logins for the audit log, in bulk, and questions for it."""

from __future__ import annotations

from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.consumers import Register
from services.payments.handlers.audit import AuditLog
from shared.contracts.audit import AuditPage, ListAudit, LoginRecorded
from shared.contracts.payment_commands import Refused
from shared.contracts.topology import PAYMENTS_AUDIT
from shared.delivery.broker import BrokerLink
from shared.delivery.consumer import BatchConsumer
from shared.delivery.publisher import Publisher
from shared.delivery.server import of


def login_events(link: BrokerLink, publisher: Publisher, log: AuditLog) -> BatchConsumer[LoginRecorded]:
    return BatchConsumer(link, PAYMENTS_AUDIT, log, publisher)


def audit_questions(log: AuditLog) -> Register:
    def register(queries: RabbitSubscriber) -> None:
        @queries(filter=of(ListAudit))
        async def on_list_audit(query: ListAudit) -> AuditPage | Refused:
            return await log.page(query)

    return register

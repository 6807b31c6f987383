"""The audit log over the real table: append-only whoever tries, logins once, and searched page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from deploy.prepare import database_urls
from services.payments.handlers.audit import AuditLog
from services.payments.store import audit as store
from shared import postgres
from shared.contracts.audit import AuditedAction, AuditPage, ListAudit, LoginRecorded
from shared.contracts.base import new_id
from shared.contracts.payment_commands import Refused
from tests.integration.history_world import NOON, HistoryWorld, history_world
from tests.integration.wallet_world import SECRET


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(module_database_url) as running:
        yield running


@pytest.fixture(scope="module")
async def audit(world: HistoryWorld) -> AuditLog:
    return AuditLog(world.pool)


def login(**facts: Any) -> LoginRecorded:
    usual: dict[str, Any] = {"correlation_id": "request-7", "method": "password", "outcome": "succeeded", "user_id": "1"}
    return LoginRecorded(**{**usual, "occurred_at": NOON, **facts})


async def page(audit: AuditLog, **asked: Any) -> AuditPage:
    answer = await audit.page(ListAudit(correlation_id="q", **asked))
    assert isinstance(answer, AuditPage), answer
    return answer


async def written(audit: AuditLog, message_id: UUID) -> AuditedAction:
    (found,) = [item for item in (await page(audit, limit=100)).items if item.id == message_id]
    return found


REWRITING = (
    "update payments.audit set actor = 'user:0'",
    "update payments.audit set details = '{}' where false",
    "delete from payments.audit",
    "truncate payments.audit",
)


@pytest.mark.parametrize("statement", REWRITING)
async def test_nobody_rewrites_it_not_even_the_owner_of_the_table(world: HistoryWorld, statement: str) -> None:
    async with postgres.transaction(world.pool) as tx:
        await store.write_down(tx, actor="user:9", action="withdrawal.approve", resource="withdrawal:1", request_id="r")
    for url in (database_urls(world.admin_url, SECRET).payments, world.admin_url):
        connection = await asyncpg.connect(url)
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        finally:
            await connection.close()


async def test_each_role_has_what_it_needs_and_no_more(world: HistoryWorld) -> None:
    async with world.admin() as admin:
        rows = await admin.fetch(
            """
            select role, privilege from unnest(array['purser_payments', 'purser_verifier', 'purser_wallet']) as role,
                   unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) as privilege
            where has_table_privilege(role, 'payments.audit', privilege)
            """
        )
    assert {(row["role"], row["privilege"]) for row in rows} == {
        ("purser_payments", "SELECT"),
        ("purser_payments", "INSERT"),
        ("purser_verifier", "SELECT"),
    }


@pytest.mark.parametrize(
    ("told", "row"),
    [
        ({}, ("user:1", "login.succeeded", "user:1", {})),
        ({"outcome": "failed"}, ("guest", "login.failed", "user:1", {})),
        ({"outcome": "failed", "user_id": None, "login_hash": "ab" * 16}, ("guest", "login.failed", f"login:{'ab' * 16}", {})),
        ({"method": "token", "network": "203.0.113.0/24"}, ("user:1", "session.opened", "user:1", {"network": "203.0.113.0/24"})),
        ({"method": "token", "outcome": "failed", "user_id": None}, ("guest", "session.refused", "session:unknown", {})),
    ],
)
async def test_a_login_is_told_as_what_is_known_of_it(audit: AuditLog, told: dict[str, Any], row: tuple[Any, ...]) -> None:
    event = login(**told)
    assert await audit.handle([event]) == ()
    found = await written(audit, event.message_id)
    assert (found.actor, found.action, found.resource, found.details) == row
    assert (found.at, found.request_id) == (NOON, "request-7")


async def test_a_login_that_is_told_again_is_written_once(audit: AuditLog) -> None:
    first, second = login(), login()
    await audit.handle([first, first, second])
    await audit.handle([second, first])
    ids = [item.id for item in (await page(audit, limit=100)).items]
    assert (ids.count(first.message_id), ids.count(second.message_id)) == (1, 1)


async def test_it_is_searched_by_who_what_and_when(world: HistoryWorld, audit: AuditLog) -> None:
    actor = f"user:{new_id()}"
    for n, (action, resource) in enumerate([("a.b", "thing:1"), ("a.c", "thing:1"), ("a.b", "thing:2"), ("a.b", "thing:1")]):
        await world.write(
            "audit",
            audit_id=new_id(),
            occurred_at=NOON + timedelta(days=n),
            actor=actor,
            action=action,
            resource=resource,
            request_id=str(n),
        )

    async def found(**asked: Any) -> list[str]:
        return [item.request_id for item in (await page(audit, actor=actor, **asked)).items]

    assert await found() == ["3", "2", "1", "0"]
    assert await found(action="a.b") == ["3", "2", "0"]
    assert await found(action="a.b", resource="thing:1") == ["3", "0"]
    assert await found(since=NOON + timedelta(days=1), until=NOON + timedelta(days=3)) == ["2", "1"]
    assert await found(resource="thing:3") == []


async def test_pages_have_no_gap_while_new_ones_are_written(world: HistoryWorld, audit: AuditLog) -> None:
    actor, made = f"user:{new_id()}", [new_id() for _ in range(11)]
    for n, audit_id in enumerate(made):
        await world.write(
            "audit",
            audit_id=audit_id,
            occurred_at=NOON + timedelta(seconds=n // 4),
            actor=actor,
            action="a.b",
            resource="r",
            details='{"sum_minor": 5}',
            request_id="r",
        )
    walked: list[AuditedAction] = []
    cursor = None
    while True:
        answer = await page(audit, actor=actor, limit=4, cursor=cursor)
        walked += answer.items
        cursor = answer.next_cursor
        if cursor is None:
            break
        async with postgres.transaction(world.pool) as tx:
            await store.write_down(tx, actor=actor, action="new.one", resource="r", request_id="r")

    assert sorted(item.id for item in walked) == sorted(made)
    assert [(item.at, item.id) for item in walked] == sorted(((item.at, item.id) for item in walked), reverse=True)
    assert walked[0].details == {"sum_minor": 5}


async def test_a_cursor_of_another_list_is_refused(audit: AuditLog) -> None:
    answer = await audit.page(ListAudit(correlation_id="q", cursor="cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
    assert isinstance(answer, Refused)
    assert answer.code == "invalid_cursor"

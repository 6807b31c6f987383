"""What the stand-ins know of a session and an order, for tests of the hosted pages; and a visitor who reads HTML."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.base import new_id, utc_now
from shared.contracts.orders import EndMockSession, GetMockSession, GetOrder, MockSessionEnded, MockSessionView, OrderView
from shared.contracts.payment_commands import CommandReply, CompleteMockSession, MockSessionDecided, SignedEvent
from tests.integration.gateway_world import World, gateway_world, one_story, refused, signed, token

HTML = {"Accept": "text/html"}
# The same in every run, and so are the names of the tests that are made with them.
SESSION, ORDER = UUID("01a1ff50-dc78-7c2b-9c20-d741021c8170"), UUID("01a1ff50-dc78-7f6d-84bb-b8b1fc266945")
SCRIPT = "<script>alert('1')</script>"


@dataclass
class Site:
    """SESSION is an order's, or a top-up of `owners` as soon as there are any."""

    world: World
    owners: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.world.stand_ins.answers |= {GetMockSession: self._session, CompleteMockSession: self._complete, EndMockSession: self._end}

    async def page(self, path: str = f"/payment/mock?session_id={SESSION}", **headers: str) -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | headers)

    async def send(self, fields: dict[str, str], path: str = "/payment/mock", **headers: str) -> httpx.Response:
        return await self.world.http.post(path, data=fields, headers=headers)

    def knows_order(self, **changes: Any) -> None:
        """From now on ORDER is so."""

        async def order(query: GetOrder) -> OrderView:
            return order_view(**changes)

        self.world.stand_ins.answers[GetOrder] = order

    async def _session(self, query: GetMockSession) -> Any:
        if query.session_id != SESSION or (self.owners and query.viewer_user_id not in self.owners):
            return refused("session_not_found", query)
        return session_view(order=not self.owners, status="completed" if query.wait_seconds else "pending")

    async def _complete(self, command: CompleteMockSession) -> CommandReply[MockSessionDecided]:
        event = SignedEvent(headers=signed(b"{}"), body=base64.b64encode(b"{}"))
        decided = MockSessionDecided(payment_id=new_id(), session_id=SESSION, outcome=command.outcome, event=event)
        return CommandReply(answer=decided)

    async def _end(self, _: EndMockSession) -> CommandReply[MockSessionEnded]:
        return CommandReply(answer=MockSessionEnded(session_id=SESSION, status="canceled"))


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    """The gateway of a whole module."""
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def site(running: World) -> AsyncIterator[Site]:
    async with one_story(running) as story:
        yield Site(story)


def session_view(*, order: bool = True, status: str = "pending", decided: str | None = None) -> MockSessionView:
    return MockSessionView(
        session_id=SESSION,
        payment_id=new_id(),
        kind="order" if order else "deposit",
        order_id=ORDER if order else None,
        status=status,
        decided=decided,
        amount_minor=99_000,
        currency="rsd",
        description=SCRIPT,
        locale="ru",
        expires_at=utc_now(),
    )


def order_view(**changes: Any) -> OrderView:
    fields: dict[str, Any] = {
        "order_id": ORDER, "product": "x", "title": SCRIPT, "status": "pending", "payment_id": new_id(), "session_id": SESSION,
        "payment_status": "failed", "payment_url": None, "method": "mock", "amount_minor": 99_000, "currency": "rsd", "locale": "en",
        "email": None, "phone": None, "expires_at": None, "created_at": utc_now(), "updated_at": utc_now(),
    }  # fmt: skip
    return OrderView(**fields | changes)


def hidden(answer: httpx.Response) -> dict[str, str]:
    """The hidden fields of the page's form."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', answer.text)}


def logged_in(user_id: str = "1") -> dict[str, str]:
    return {"Cookie": f"purser_session={token(user_id)}"}


def assert_nothing_inline(html: str) -> None:
    """Scripts and styles come from files of ours alone."""
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script", html, re.IGNORECASE | re.DOTALL):
        assert re.search(r'\ssrc="/static/', attributes), attributes
        assert not content
    assert not re.search(r"<[^>]*\s(on[a-z]+|style)=|<style|javascript:", html, re.IGNORECASE)

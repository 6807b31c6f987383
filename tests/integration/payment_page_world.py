"""One payment as the stand-ins know it, for tests of its page: its refunds, its steps, and what payments answers to its forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.base import new_id, utc_now
from shared.contracts.history import GetTimeline, TimelineStep, TimelineView
from shared.contracts.payment_commands import CommandReply
from shared.contracts.queries import GetPayment, ListTransfers, PaymentView, TransfersView
from shared.contracts.refunds import GetRefund, ListRefunds, RefundItem, RefundMade, RefundPage, RefundPayment, RefundView
from tests.integration.gateway_world import World, refused, token
from tests.integration.pages_world import HTML, hidden

PAYMENT, SESSION = UUID("01a1ffcd-dd0d-7368-9c06-083710e6dff5"), UUID("01a1ffcd-dd18-7f37-966f-eb6aa2cfc2e7")
PATH = f"/en/payments/{PAYMENT}"
PAYER, MENTOR, ADMIN, STRANGER = "1", "2", "9", "3"
ROLES = {PAYER: "student", MENTOR: "mentor", ADMIN: "admin", STRANGER: "student"}
BODY = '{"id":"evt_1"}'


@cache
def cookie(user_id: str) -> dict[str, str]:
    """The same session each time: the forms' tokens are bound to it."""
    return {"Cookie": f"purser_session={token(user_id, roles=[ROLES[user_id]])}"}


def refund_item(amount_minor: int, status: str = "succeeded", **changes: Any) -> RefundItem:
    fields: dict[str, Any] = {
        "refund_id": new_id(), "refund_status": status, "amount_minor": amount_minor, "currency": "rsd", "origin": "request", "reason": "",
        "failure_reason": None, "external_id": None, "metadata": {}, "created_at": utc_now(), "updated_at": utc_now(), "settled_at": None,
    }  # fmt: skip
    return RefundItem(**fields | changes)


@dataclass
class Desk:
    """A session's payment of 50.00 RSD that is paid, unless `changes` say otherwise; `refunds` newest first."""

    world: World
    changes: dict[str, Any] = field(default_factory=dict)
    refunds: list[RefundItem] = field(default_factory=list)
    status: str = "succeeded"
    visible_to: frozenset[str] = frozenset({PAYER, MENTOR})

    def __post_init__(self) -> None:
        self.world.stand_ins.answers |= {
            GetPayment: self._view, ListRefunds: self._refunds, GetTimeline: self._timeline, ListTransfers: self._transfers,
            GetRefund: self._refund, RefundPayment: self._make,
        }  # fmt: skip

    async def look(self, user_id: str = MENTOR, path: str = PATH) -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | cookie(user_id))

    async def send(self, fields: dict[str, str], user_id: str = MENTOR, path: str = f"{PATH}/refund") -> httpx.Response:
        """As the form of the page sends it, when its visitor has confirmed it in the dialog."""
        return await self.world.http.post(path, data={"confirmed": "yes", **fields}, headers=HTML | cookie(user_id))

    async def form(self, user_id: str = MENTOR) -> dict[str, str]:
        """The fields of the refund form as they are first shown."""
        page = await self.look(user_id)
        return {**hidden(page), "confirmed": "yes", "amount": value_of(page, "amount"), "reason": ""}

    def orders(self) -> list[RefundPayment]:
        return self.world.stand_ins.asked_of(RefundPayment)

    async def _view(self, query: GetPayment) -> Any:
        if query.payment_id not in (str(PAYMENT), str(SESSION)) or not (query.viewer_is_admin or query.viewer_user_id in self.visible_to):
            return refused("payment_not_found", query)
        fields: dict[str, Any] = {
            "payment_id": PAYMENT, "session_id": SESSION, "user_id": PAYER, "mentor_id": MENTOR, "coaching_session_id": "7",
            "kind": "payment", "method": "mock", "status": "completed", "amount_minor": 5_000, "currency": "rsd",
            "refunded_amount_minor": sum(one.amount_minor for one in self.refunds if one.refund_status == "succeeded"),
            "credit_reference": "mock:ch_1", "payment_url": None, "description": "Lesson <b>", "expires_at": None,
            "created_at": utc_now(), "updated_at": utc_now(),
        }  # fmt: skip
        return PaymentView(**fields | self.changes)

    async def _refunds(self, query: ListRefunds) -> RefundPage:
        assert query.payment_id == str(PAYMENT)
        return RefundPage(payment_id=PAYMENT, items=tuple(self.refunds), next_cursor=None)

    async def _timeline(self, query: GetTimeline) -> TimelineView:
        at = utc_now()
        raw = {"headers": {"webhook-id": "evt_1"}, "body": BODY} if query.viewer_is_admin else {}
        money = {"amount_minor": 5_000, "currency": "rsd"}
        steps = (
            TimelineStep(at=at, step="payment.requested", service="payments", ids={"payment_id": str(PAYMENT)}, detail=money),
            TimelineStep(
                at=at + timedelta(milliseconds=12), step="provider_event.received", service="gateway", ids={"event_id": "evt_1"}, detail=raw
            ),
        )
        return TimelineView(payment_id=PAYMENT, steps=steps, references=("mock:ch_1",))

    async def _transfers(self, _: ListTransfers) -> TransfersView:
        return TransfersView(transfers=())

    async def _refund(self, query: GetRefund) -> Any:
        found = next((one for one in self.refunds if str(one.refund_id) == query.refund_id), None)
        if found is None:
            return refused("refund_not_found", query)
        return RefundView(payment_id=PAYMENT, status="partially_refunded", refunded_amount_minor=0, refund=found)

    async def _make(self, command: RefundPayment) -> CommandReply[RefundMade]:
        known = next((one for one in self.refunds if one.refund_id == command.refund_id), None)
        if known is None:
            known = refund_item(command.amount_minor or 0, self.status, refund_id=command.refund_id, reason=command.reason)
            self.refunds.insert(0, known)
        made = RefundMade(
            payment_id=PAYMENT, refund_id=known.refund_id, refund_status=known.refund_status, status="partially_refunded",
            refunded_amount_minor=0, amount_minor=known.amount_minor, currency="rsd", created_at=utc_now(),
        )  # fmt: skip
        return CommandReply(answer=made)


def value_of(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*? value="([^"]*)"', page.text)
    assert found is not None, name
    return found[1]


def text_of(page: httpx.Response, tag_id: str) -> str:
    """What stands in that piece of the page, without its tags."""
    start = page.text.index(f'id="{tag_id}"')
    return re.sub(r"<[^>]+>", " ", page.text[start : start + 4_000])

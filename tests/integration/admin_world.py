"""What the stand-ins know for the operator's pages: a day's money, withdrawals and an item of suspense, and what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.audit import AuditedAction, AuditPage, ListAudit
from shared.contracts.base import new_id, utc_now
from shared.contracts.operator import (
    Figure,
    FiguresView,
    GetFigures,
    GetHeld,
    Held,
    HeldView,
    ListSeries,
    ListStuck,
    SeriesPoint,
    SeriesView,
    Stuck,
    StuckView,
    Waiting,
)
from shared.contracts.payment_commands import CommandReply
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem, ListSuspenseItems, SuspenseItemView, SuspensePage
from shared.contracts.withdrawals import (
    DecidedBy,
    DecideWithdrawal,
    GetWithdrawal,
    ListWithdrawals,
    ShownDestination,
    WithdrawalPage,
    WithdrawalView,
)
from tests.integration.gateway_world import World, refused, token
from tests.integration.pages_world import HTML

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
WITHDRAWAL, ITEM, PAYMENT = [UUID(f"0199d3a2-8f10-7c3e-9a51-{n:012x}") for n in range(3)]
LIST = "/en/admin/withdrawals"


@cache
def _session(role: str) -> str:
    """One token for all of a story: its forms belong to it."""
    return token("9", roles=[role])


def admin_cookie(role: str = "admin") -> dict[str, str]:
    return {"Cookie": f"purser_session={_session(role)}"}


def withdrawal_view(**changes: Any) -> WithdrawalView:
    fields: dict[str, Any] = {
        "withdrawal_id": WITHDRAWAL,
        "user_id": "<b>7</b>",
        "status": "pending",
        "amount_minor": 50_000,
        "currency": "rsd",
        "method": "mock",
        "destination": ShownDestination(type="bank_account", account="****8995", name="J*** J***"),
        "for_admin": True,
        "possible": ("approve", "reject"),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return WithdrawalView(**fields | changes)


def item_view(**changes: Any) -> SuspenseItemView:
    fields: dict[str, Any] = {
        "item_id": ITEM,
        "provider": "stripe",
        "reference": "ch_1",
        "session_id": new_id(),
        "payment_id": PAYMENT,
        "amount_minor": 70_000,
        "currency": "rsd",
        "reason": "second_payment",
        "status": "open",
        "created_at": NOON,
    }
    return SuspenseItemView(**fields | changes)


@dataclass
class Desk:
    """An operator's, whose world changes as it is decided; `refusal`: what is decided next is refused so."""

    world: World
    withdrawal: WithdrawalView = field(default_factory=withdrawal_view)
    item: SuspenseItemView = field(default_factory=item_view)
    refusal: str | None = None

    def __post_init__(self) -> None:
        self.world.stand_ins.answers |= {
            GetFigures: self._figures,
            GetHeld: self._held,
            ListSeries: self._series,
            ListStuck: self._stuck,
            ListWithdrawals: self._withdrawals,
            GetWithdrawal: self._withdrawal,
            DecideWithdrawal: self._decide,
            ListSuspenseItems: self._items,
            GetSuspenseItem: self._item,
            DecideSuspenseItem: self._decide_item,
            ListAudit: self._audit,
        }

    async def page(self, path: str = LIST, **cookie: str) -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | (cookie or admin_cookie()))

    async def send(self, path: str, fields: dict[str, str], **cookie: str) -> httpx.Response:
        return await self.world.http.post(path, data=fields, headers=HTML | (cookie or admin_cookie()))

    def decisions(self) -> list[DecideWithdrawal]:
        return self.world.stand_ins.asked_of(DecideWithdrawal)

    async def _figures(self, _: GetFigures) -> FiguresView:
        return FiguresView(
            paid_in=(
                Figure(method="stripe", currency="usd", count=1, amount_minor=5_000),
                Figure(method="mock", currency="rsd", count=2, amount_minor=123_456_789),
            ),
            refunded=(Figure(method="stripe", currency="usd", count=1, amount_minor=2_500),),
            withdrawn=(Figure(method="mock", currency="usd", count=2, amount_minor=1_500),),
            waiting=(Waiting(waits_for="approval", currency="rsd", count=3, amount_minor=90_000, since=utc_now() - timedelta(hours=3)),),
        )

    async def _held(self, _: GetHeld) -> HeldView:
        held = Held(currency="rsd", count=3, amount_minor=90_001, since=utc_now() - timedelta(days=2))
        return HeldView(held=(held,), unpublished_since=utc_now() - timedelta(minutes=7))

    async def _series(self, asked: ListSeries) -> SeriesView:
        last = NOON if asked.bucket == "hour" else NOON.replace(hour=0)
        point = SeriesPoint(at=last, method="stripe", status="completed", count=17)
        return SeriesView(first=last - timedelta(days=1), last=last, points=(point,))

    async def _stuck(self, _: ListStuck) -> StuckView:
        since = utc_now() - timedelta(hours=5)
        kinds: tuple[dict[str, Any], ...] = (
            {"kind": "refund", "why": "provider_silent", "payment_id": PAYMENT, "amount_minor": 2_500, "currency": "usd"},
            {"kind": "withdrawal", "why": "outcome_unknown", "thing_id": WITHDRAWAL, "amount_minor": 1, "currency": "jpy"},
            {"kind": "suspense", "why": "undecided", "thing_id": ITEM, "amount_minor": 1, "currency": "rsd"},
        )
        return StuckView(items=tuple(Stuck(since=since, **kind) for kind in kinds), count=40, more=False, dead_letters=2)

    async def _withdrawals(self, asked: ListWithdrawals) -> WithdrawalPage:
        assert (asked.user_id, asked.for_admin) == (None, True)
        shown = (self.withdrawal,) if asked.status in (None, self.withdrawal.status) else ()
        return WithdrawalPage(items=shown, next_cursor=None if asked.cursor else "further&on")

    async def _withdrawal(self, asked: GetWithdrawal) -> Any:
        if asked.withdrawal_id != str(WITHDRAWAL):
            return refused("withdrawal_not_found", asked)
        return self.withdrawal

    async def _decide(self, command: DecideWithdrawal) -> Any:
        if self.refusal is not None:
            return CommandReply(answer=refused(self.refusal, command))
        status = {"approve": "approved", "reject": "rejected", "mark_paid": "paid"}.get(command.decision, "sending")
        decided = DecidedBy(decision=command.decision, by=f"user:{command.actor_user_id}", at=utc_now(), reason=command.reason)
        self.withdrawal = self.withdrawal.model_copy(update={"status": status, "decided": decided, "possible": ()})
        return CommandReply(answer=self.withdrawal)

    async def _items(self, asked: ListSuspenseItems) -> SuspensePage:
        return SuspensePage(items=(self.item,) if asked.status in (None, self.item.status) else (), next_cursor=None)

    async def _item(self, asked: GetSuspenseItem) -> Any:
        return self.item if asked.item_id == str(ITEM) else refused("suspense_item_not_found", asked)

    async def _decide_item(self, command: DecideSuspenseItem) -> Any:
        if self.refusal is not None:
            return CommandReply(answer=refused(self.refusal, command))
        update = {"status": "assigned", "decided_by": f"user:{command.actor_user_id}", "decided_at": utc_now()}
        self.item = self.item.model_copy(update=update | {"assigned_user_id": command.user_id})
        return CommandReply(answer=self.item)

    async def _audit(self, _: ListAudit) -> AuditPage:
        told: dict[str, Any] = {"id": new_id(), "at": NOON, "request_id": "r"}
        order = AuditedAction(**told, actor="user:9", action="order.mark_paid", resource=f"order:{PAYMENT}", details={"reference": "B-1"})
        rejected = AuditedAction(
            **told, actor="user:9", action="withdrawal.reject", resource=f"withdrawal:{WITHDRAWAL}", details={"reason": "<i>closed</i>"}
        )
        return AuditPage(items=(order, rejected), next_cursor=None)

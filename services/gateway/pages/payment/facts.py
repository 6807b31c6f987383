"""A payment as its page shows it to one visitor: what payments and wallet know, and what this visitor may do about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.auth import Caller
from services.gateway.history import timeline_of
from services.gateway.pages.payment.road import Stop, drawn
from services.gateway.pages.visits import Visit, is_web_address, path_within, uuid_of
from services.gateway.problems import Problem
from services.gateway.requests import PAYMENT, REFUNDS
from services.gateway.settlement import true_status
from shared.contracts.checkout import MethodView
from shared.contracts.queries import GetPayment, PaymentView
from shared.contracts.refunds import MAX_REFUNDS, ListRefunds, RefundItem, RefundPage

_REFUNDABLE: Final = frozenset({"completed", "partially_refunded"})
_FROM_BALANCE: Final = "balance"
_MOCK: Final = "mock"


@dataclass(frozen=True, slots=True)
class Facts:
    """`status`: as it may be told now. `refunds`: newest first. `onward`: where its payer goes on paying. `method`: as it is on for new
    payments, None when it is not, or when that is not known."""

    view: PaymentView
    status: str
    caller: Caller
    refunds: tuple[RefundItem, ...]
    more_refunds: bool
    stops: list[Stop]
    truncated: bool
    method: MethodView | None
    onward: str | None

    @property
    def is_payer(self) -> bool:
        return self.view.user_id == self.caller.user_id

    @property
    def is_mentor(self) -> bool:
        return self.view.mentor_id == self.caller.user_id

    @property
    def is_admin(self) -> bool:
        return self.caller.identity.is_admin

    @property
    def left_minor(self) -> int:
        """What is neither back nor on its way back."""
        under_way = sum(one.amount_minor for one in self.refunds if one.refund_status == "pending")
        return max(0, self.view.amount_minor - self.view.refunded_amount_minor - under_way)

    @property
    def may_refund(self) -> bool:
        """Is it theirs to give back? Whether it can be is payments' decision."""
        return (self.is_mentor or self.is_admin) and self.status in _REFUNDABLE

    @property
    def sendable(self) -> bool:
        """Can its provider send money back, as far as that is known here?"""
        return self._can("refund")

    @property
    def may_record(self) -> bool:
        """What was paid from a balance never left the house."""
        return self.is_admin and self.view.method != _FROM_BALANCE

    @property
    def may_cancel(self) -> bool:
        return self.view.status == "pending" and (self.is_payer or self.is_admin)

    @property
    def may_ask(self) -> bool:
        """The mock says what its own page decides: asked, it would pay."""
        return self.may_cancel and self.view.method != _MOCK and self._can("status")

    @property
    def waiting(self) -> bool:
        """Is something on its way that will change by itself?"""
        return self.status == "pending" or any(one.refund_status == "pending" for one in self.refunds)

    @property
    def started_at(self) -> datetime:
        return self.stops[0].at if self.stops else self.view.created_at

    def _can(self, capability: str) -> bool:
        return self.view.method == _FROM_BALANCE or self.method is None or capability in self.method.capabilities


async def facts_of(visit: Visit, caller: Caller, payment_id: str) -> Facts:
    """`payment_id`: the payment's, or its session's. Problems: payment_not_found, also as RefusedByDecision; those of a question."""
    services, viewer = visit.parts.services, {"viewer_user_id": caller.user_id, "viewer_is_admin": caller.identity.is_admin}
    known = str(uuid_of(payment_id, Problem("payment_not_found", "There is no such payment.")))
    view = await services.question(GetPayment(payment_id=known, **viewer, correlation_id=visit.request_id), PAYMENT)
    assert isinstance(view, PaymentView)
    listed = ListRefunds(payment_id=str(view.payment_id), **viewer, limit=MAX_REFUNDS, correlation_id=visit.request_id)
    status, refunds, timeline, method = await asyncio.gather(
        true_status(services, view, visit.request_id),
        services.question(listed, REFUNDS),
        timeline_of(services, str(view.payment_id), caller, visit.request_id),
        _method(visit, view.method),
    )
    assert isinstance(refunds, RefundPage)
    return Facts(
        view=view,
        status=status,
        caller=caller,
        refunds=refunds.items,
        more_refunds=refunds.next_cursor is not None,
        stops=drawn(timeline.steps),
        truncated=timeline.truncated,
        method=method,
        onward=_onward(visit, view) if view.user_id == caller.user_id else None,
    )


async def _method(visit: Visit, name: str) -> MethodView | None:
    methods = (await visit.parts.methods.current(visit.request_id)).methods
    return next((one for one in methods if one.method == name), None)


def _onward(visit: Visit, view: PaymentView) -> str | None:
    """Where a payer goes on paying: a page of ours, or the provider's."""
    if view.status != "pending" or view.payment_url is None:
        return None
    own = path_within(visit.parts, view.payment_url)
    return own or (view.payment_url if is_web_address(view.payment_url) else None)

"""What the stand-ins know for the balance page: balances, what moved them, and withdrawals that are asked for and called off."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from html import unescape
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.base import new_id
from shared.contracts.checkout import AmountLimits, ListMethods, MethodsView, PayoutsView
from shared.contracts.history import ListedPayment, ListPayments, PaymentList
from shared.contracts.payment_commands import CommandReply
from shared.contracts.queries import BalancesView, BalanceView, GetBalances, ListTransactions, TransactionPage, TransactionView
from shared.contracts.withdrawals import (
    CreateWithdrawal,
    DecideWithdrawal,
    GetWithdrawal,
    ListWithdrawals,
    ShownDestination,
    WithdrawalPage,
    WithdrawalView,
)
from tests.integration.gateway_world import World, method_view, refused, token
from tests.integration.pages_world import HTML, SCRIPT

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PAYMENT, CARD_PAYMENT, OTHERS_PAYMENT = [UUID(f"0199d3a2-8f10-7c3e-9a51-{n:012x}") for n in (1, 2, 3)]
BANK = {"account": "160-0000000056789-95", "name": "Jelena Jovanović"}


@cache
def _session(user_id: str) -> str:
    """One token for all of a story: its forms belong to it. User 9 is an admin."""
    return token(user_id, roles=["admin" if user_id == "9" else "student"])


def cookie(user_id: str = "1") -> dict[str, str]:
    return {"Cookie": f"purser_session={_session(user_id)}"}


@dataclass
class Purse:
    """User 1's, as services tell it; `refusal`: the next command is refused so. `is_silent`: it is not answered."""

    world: World
    balances: list[BalanceView] = field(default_factory=list)
    changes: list[TransactionView] = field(default_factory=list)
    withdrawals: dict[UUID, WithdrawalView] = field(default_factory=dict)
    refusal: str | None = None
    is_silent: bool = False
    next_cursor: str | None = None

    def __post_init__(self) -> None:
        self.world.stand_ins.answers |= {
            GetBalances: self._balances,
            ListTransactions: self._changes,
            ListWithdrawals: self._list,
            GetWithdrawal: self._get,
            CreateWithdrawal: self._create,
            DecideWithdrawal: self._decide,
        }

    def has(self, currency: str, available_minor: int, held_minor: int = 0) -> None:
        found = {"user_id": "1", "currency": currency, "available_minor": available_minor, "held_minor": held_minor}
        self.balances.append(BalanceView(**found, version=7, updated_at=NOON))

    def moved(self, amount_minor: int, kind: str = "deposit", **changes: Any) -> None:
        fields: dict[str, Any] = {
            "id": new_id(), "kind": kind, "amount_minor": amount_minor, "currency": "rsd", "balance_after_minor": 123_456, "version": 7,
            "payment_id": PAYMENT, "description": "", "created_at": NOON,
        }  # fmt: skip
        self.changes.append(TransactionView(**fields | changes))

    def withdrew(self, **changes: Any) -> WithdrawalView:
        fields: dict[str, Any] = {
            "withdrawal_id": new_id(), "user_id": "1", "status": "pending", "amount_minor": 50_000, "currency": "rsd", "method": "manual",
            "destination": ShownDestination(type="bank_account", account="****8995", name="J*** J***"), "created_at": NOON,
            "updated_at": NOON,
        }  # fmt: skip
        made = WithdrawalView(**fields | changes)
        self.withdrawals[made.withdrawal_id] = made
        return made

    async def page(self, path: str = "/en/balance", user_id: str = "1") -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | cookie(user_id))

    async def send(self, fields: dict[str, str], path: str = "/en/balance", user_id: str = "1") -> httpx.Response:
        return await self.world.http.post(path, data=fields, headers=HTML | cookie(user_id))

    async def form(self, path: str = "/en/balance", **fields: str) -> dict[str, str]:
        """The withdraw form as somebody fills it in: 100 dinars to a bank account."""
        page = (await self.page(path)).text
        hidden = {name: values(page, name)[0] for name in ("csrf_token", "idempotency_key")}
        return {**hidden, "amount": "100", "payout_currency": "rsd", **BANK, **fields}

    def asked(self) -> list[CreateWithdrawal]:
        return self.world.stand_ins.asked_of(CreateWithdrawal)

    async def _balances(self, _: GetBalances) -> BalancesView:
        return BalancesView(balances=tuple(self.balances))

    async def _changes(self, query: ListTransactions) -> Any:
        if query.cursor == "broken":
            return refused("invalid_cursor", query)
        return TransactionPage(items=tuple(self.changes), next_cursor=self.next_cursor)

    async def _list(self, query: ListWithdrawals) -> WithdrawalPage:
        return WithdrawalPage(items=tuple(reversed(self.withdrawals.values())), next_cursor=None)

    async def _get(self, query: GetWithdrawal) -> Any:
        found = self.withdrawals.get(UUID(query.withdrawal_id))
        mine = found is not None and (found.user_id == query.viewer_user_id or query.viewer_is_admin)
        return found if mine else refused("withdrawal_not_found", query)

    async def _create(self, command: CreateWithdrawal) -> Any:
        if self.is_silent:
            return None
        if self.refusal is not None:
            return CommandReply(answer=refused(self.refusal, command))
        made = self.withdrawals.get(command.withdrawal_id)
        sums = {"amount_minor": command.amount_minor, "currency": command.currency}
        return CommandReply(replayed=made is not None, answer=made or self.withdrew(withdrawal_id=command.withdrawal_id, **sums))

    async def _decide(self, command: DecideWithdrawal) -> Any:
        if self.refusal is not None:
            return CommandReply(answer=refused(self.refusal, command))
        found = self.withdrawals[UUID(command.withdrawal_id)]
        self.withdrawals[found.withdrawal_id] = found.model_copy(update={"status": "canceled"})
        return CommandReply(answer=self.withdrawals[found.withdrawal_id])


def pays_out(world: World, destination: str, *limits: AmountLimits) -> None:
    """Asked for once a minute: the first story of a world decides."""
    sums = limits or (AmountLimits(currency="rsd", minimum_minor=5_000, maximum_minor=1_000_000, step_minor=50),)
    payouts = PayoutsView.model_validate(
        {"method": "allsecure" if destination == "card" else "manual", "destination": destination, "limits": sums}
    )

    async def methods(_: ListMethods) -> MethodsView:
        return MethodsView(methods=(method_view("mock"),), payouts=payouts)

    world.stand_ins.answers[ListMethods] = methods


def has_paid_by_card(world: World) -> None:
    """One payment of user 1's own, one by another method, and one of a session that they gave as a mentor."""

    async def listed(query: ListPayments) -> PaymentList:
        fields: dict[str, Any] = {
            "session_id": None, "user_id": "1", "mentor_id": None, "coaching_session_id": None, "kind": "deposit", "method": "allsecure",
            "status": query.status, "amount_minor": 250_000, "currency": "rsd", "credit_reference": "x", "description": SCRIPT,
            "created_at": NOON - timedelta(days=1), "updated_at": NOON,
        }  # fmt: skip
        each = ({"payment_id": CARD_PAYMENT}, {"payment_id": PAYMENT, "method": "mock"}, {"payment_id": OTHERS_PAYMENT, "user_id": "5"})
        return PaymentList(items=tuple(ListedPayment(**fields | one) for one in each), next_cursor=None)

    world.stand_ins.answers[ListPayments] = listed


def values(page: str, name: str) -> list[str]:
    """Of the inputs of that name."""
    tags = re.findall(rf'<input[^>]*\sname="{name}"[^>]*>', page)
    return [unescape(found[1]) if (found := re.search(r'\svalue="([^"]*)"', tag)) else "" for tag in tags]


def beside(page: str, field_id: str) -> str | None:
    """What is said to be wrong with a field."""
    found = re.search(rf'<p class="wrong" id="{field_id}-error">([^<]*)</p>', page)
    return None if found is None else unescape(found[1])

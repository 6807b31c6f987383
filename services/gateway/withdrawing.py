"""Asking for a withdrawal, deciding about it and looking at it, as the API and the pages do it: what a destination may be, the commands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import quote

from pydantic import Field

from services.gateway.auth import Caller
from services.gateway.commands import Issued
from services.gateway.fields import OpaqueId, RequestBody
from services.gateway.problems import Problem
from services.gateway.requests import WITHDRAWAL, WITHDRAWALS, WITHDRAWN, Services
from shared.contracts.withdrawals import (
    BankAccount,
    Card,
    CreateWithdrawal,
    DecideWithdrawal,
    Decision,
    GetWithdrawal,
    ListWithdrawals,
    WithdrawalPage,
    WithdrawalView,
)
from shared.money import Money

# Nothing that cannot be seen: it would be read as something else by whoever pays it out.
_UNSEEN: Final = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
NAME: Final = rf"^[^\s{_UNSEEN}]([^{_UNSEEN}]{{0,98}}[^\s{_UNSEEN}])?$"
ACCOUNT: Final = r"^[\x21-\x7e][\x20-\x7e]{2,62}[\x21-\x7e]$"

_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")


class BankAccountField(RequestBody):
    type: Annotated[Literal["bank_account"], Field(examples=["bank_account"])]
    account: Annotated[str, Field(pattern=ACCOUNT, description="4 to 64 printable characters.", examples=["160-0000000056789-95"])]
    name: Annotated[str, Field(pattern=NAME, description="The account holder's.", examples=["Jelena Jovanović"])]


class CardField(RequestBody):
    type: Annotated[Literal["card"], Field(examples=["card"])]
    payment_id: Annotated[
        OpaqueId,
        Field(
            description="Of a payment that you have paid by card: completed, neither refunded nor disputed.",
            examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"],
        ),
    ]


Destination = BankAccountField | CardField


async def withdraw(
    issued: Issued,
    caller: Caller,
    money: Money,
    destination: Destination,
    *,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[WithdrawalView, bool] | None:
    """The withdrawal, whose money is held, and whether that is a replay; None while nobody knows: the withdrawal, whose id is
    `issued.resource_id`, tells the rest. Problems: as Issued.ask."""
    command = CreateWithdrawal(
        **issued.envelope,
        withdrawal_id=issued.resource_id,
        user_id=caller.user_id,
        amount_minor=money.amount_minor,
        currency=money.currency,
        destination=_destination(destination),
        external_id=external_id,
        metadata=dict(metadata or {}),
    )
    return await issued.ask(command, WITHDRAWN)


async def decide(
    issued: Issued, caller: Caller, withdrawal_id: str, decision: Decision, *, reference: str | None = None, reason: str | None = None
) -> tuple[WithdrawalView, bool] | None:
    """The withdrawal after the decision, and whether that is a replay; None while nobody knows. Problems: as Issued.ask."""
    command = DecideWithdrawal(
        **issued.envelope,
        withdrawal_id=withdrawal_id,
        actor_user_id=caller.user_id,
        actor_is_admin=caller.identity.is_admin,
        decision=decision,
        reference=reference,
        reason=reason,
    )
    return await issued.ask(command, WITHDRAWN)


async def find_withdrawal(
    services: Services, withdrawal_id: str, viewer_user_id: str, request_id: str, *, is_admin: bool = False
) -> WithdrawalView:
    """As its owner or an admin may see it. Problems: those of a question; withdrawal_not_found as RefusedByDecision."""
    asked = GetWithdrawal(withdrawal_id=withdrawal_id, viewer_user_id=viewer_user_id, viewer_is_admin=is_admin, correlation_id=request_id)
    view = await services.question(asked, WITHDRAWAL)
    assert isinstance(view, WithdrawalView)
    return view


async def list_withdrawals(services: Services, asked: ListWithdrawals) -> WithdrawalPage:
    """A page of the list. Problems: those of a question; invalid_cursor as RefusedByDecision."""
    page = await services.question(asked, WITHDRAWALS)
    assert isinstance(page, WithdrawalPage)
    return page


def require_possible(withdrawal_id: str) -> None:
    """404 for what cannot be an id of ours."""
    if not _ID.fullmatch(withdrawal_id):
        raise Problem("withdrawal_not_found", "There is no such withdrawal.")


def path_of(withdrawal_id: str) -> str:
    return f"/api/v1/withdrawals/{quote(withdrawal_id, safe='')}"


def _destination(asked: Destination) -> BankAccount | Card:
    if isinstance(asked, CardField):
        return Card(payment_id=asked.payment_id)
    return BankAccount(account=asked.account, name=asked.name)

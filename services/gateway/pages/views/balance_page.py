"""The balance page: what is there, what has been, and money out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts
from services.gateway.amounts import parse_amount
from services.gateway.auth import Caller
from services.gateway.commands import Issued, issue
from services.gateway.exact_json import fingerprint
from services.gateway.history import list_payments
from services.gateway.hypertext.catalogues import marked
from services.gateway.idempotency import caller_of
from services.gateway.pages.amount_words import amount_words
from services.gateway.pages.balance import withdraw_form
from services.gateway.pages.balance.history_filter import KINDS, HistoryFilter, read_filter
from services.gateway.pages.balance.withdraw_form import Entered, Errors, Wanted, entered_in
from services.gateway.pages.balance.withdrawal_note import Note, note_of
from services.gateway.pages.forms import KEY_IN_USE, check_form, form_key, new_key, read_form
from services.gateway.pages.visits import Visit, log_in_first, see, visit_of
from services.gateway.parts import GatewayParts
from services.gateway.problems import Problem, RefusedByDecision, status_of
from services.gateway.requests import BALANCES, TRANSACTIONS
from services.gateway.withdrawing import ACCOUNT, NAME, find_withdrawal, list_withdrawals, withdraw
from shared.contracts.checkout import PayoutsView
from shared.contracts.history import MAX_PAYMENTS, ListedPayment, ListPayments
from shared.contracts.queries import BalanceView, GetBalances, ListTransactions, TransactionPage
from shared.contracts.withdrawals import ListWithdrawals, WithdrawalPage
from shared.money import MoneyError

router = APIRouter(include_in_schema=False)

CHANGES_A_PAGE: Final = 20
WITHDRAWALS_A_PAGE: Final = 10
REFRESH_SECONDS: Final = 3

_WITHDRAW: Final = "POST /{locale}/balance"
_CURSOR_LENGTH_MAX: Final = 2_000


_WRONG_DAYS: Final[Mapping[str, str]] = {
    "day": marked("Enter a day, for example 2026-01-31."),
    "order": marked("The last day is before the first."),
}


@dataclass(frozen=True, slots=True)
class WaysOut:
    """How money goes out. `payouts` none: it does not; `cards`: payments to whose cards it may go."""

    payouts: PayoutsView | None
    cards: Sequence[ListedPayment]


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form was sent with, and what is wrong with it."""

    entered: Entered
    errors: Errors
    key: str
    status: int


@router.get("/{locale}/balance")
async def balance(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    try:
        return await _page(visit, visit.caller)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "invalid_cursor":
            raise
        return see(f"/{visit.locale}/balance")


@router.post("/{locale}/balance")
async def ask_for_withdrawal(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    form = await read_form(request)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    check_form(parts, request, visit.caller, form)
    caller, entered, key = visit.caller, entered_in(form), form_key(form)
    balances, out = await asyncio.gather(_balances(visit, caller), _ways_out(visit, caller))
    if out is None:
        raise Problem("no_answer", "nobody told how money is paid out")
    limits = withdraw_form.limits(visit, balances, out.payouts)
    wanted = withdraw_form.check(visit, entered, out.payouts, limits, out.cards)
    if not isinstance(wanted, Wanted):
        if (made_before := await _made_before(visit, caller, entered, key)) is not None:
            return _back(visit, withdrawal=made_before)
        return await _page(visit, caller, Sent(entered, wanted, key, 422))
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_WITHDRAW, fingerprint=_fingerprint(wanted), key=key)
    try:
        answer = await withdraw(issued, caller, wanted.money, wanted.destination)
    except RefusedByDecision as refusal:
        return await _refused(visit, caller, issued, entered, refusal, out.payouts)
    if answer is None:
        return _accepted(visit, caller, issued)
    made, _ = answer
    return _back(visit, withdrawal=str(made.withdrawal_id))


async def _made_before(visit: Visit, caller: Caller, entered: Entered, key: str) -> str | None:
    """The withdrawal that this form has made already: what it holds is not available a second time, and its second click is told of it."""
    issued = issue(
        visit.request,
        visit.parts,
        caller=caller_of(caller.user_id),
        operation=_WITHDRAW,
        fingerprint=fingerprint("balance", b"", {}),
        key=key,
    )
    try:
        made = await find_withdrawal(visit.parts.services, str(issued.resource_id), caller.user_id, visit.request_id)
        asked = parse_amount(entered.amount, made.currency, visit.locale)
    except (RefusedByDecision, MoneyError):
        return None
    same = entered.payout_currency == made.currency and asked.amount_minor == made.amount_minor
    return str(made.withdrawal_id) if same else None


async def _refused(
    visit: Visit, caller: Caller, issued: Issued, entered: Entered, refusal: RefusedByDecision, payouts: PayoutsView | None
) -> Response:
    code = refusal.refused.code
    if code == KEY_IN_USE:
        # The first click of a double click is still being worked on: it is the same withdrawal.
        return _accepted(visit, caller, issued)
    # What is available may have changed since the form was made.
    limits = withdraw_form.limits(visit, await _balances(visit, caller), payouts)
    limit = next((one for one in limits if one.currency == entered.payout_currency), None)
    errors = withdraw_form.refusal_errors(visit, refusal.refused, payouts, limit)
    # What has been decided under the old key stays decided: what is sent next is another request.
    return await _page(visit, caller, Sent(entered, errors, new_key(), status_of(code)))


def _accepted(visit: Visit, caller: Caller, issued: Issued) -> Response:
    withdrawal_id = str(issued.resource_id)
    receipt = receipts.sign(visit.parts.keys, resource_id=withdrawal_id, caller=caller_of(caller.user_id), deadline=issued.deadline)
    return _back(visit, withdrawal=withdrawal_id, receipt=receipt)


def _back(visit: Visit, **query: str) -> Response:
    return see(f"/{visit.locale}/balance?{urlencode(query)}#withdrawals")


async def _page(visit: Visit, caller: Caller, sent: Sent | None = None) -> Response:
    chosen = read_filter(visit.query)
    cursor, older = _cursor(visit, "cursor"), _cursor(visit, "older")
    balances, changes, out, withdrawals, note = await asyncio.gather(
        _balances(visit, caller),
        _changes(visit, caller, chosen, cursor),
        _ways_out(visit, caller),
        _withdrawals(visit, caller, older),
        _note(visit, caller),
    )
    errors = {} if sent is None else sent.errors
    return visit.page(
        "balance.html",
        status=200 if sent is None else sent.status,
        refresh_seconds=REFRESH_SECONDS if note is not None and note.is_waiting else None,
        balances=balances,
        changes=changes,
        chosen=chosen,
        kinds=KINDS if chosen.kind is None or chosen.kind in KINDS else (*KINDS, chosen.kind),
        wrong=_wrong_days(visit, chosen),
        csv=_address("/api/v1/balance/transactions.csv", chosen.for_api),
        links=Links(visit, chosen, cursor, older),
        is_first=cursor is None and older is None,
        payouts=None if out is None else out.payouts,
        cards=() if out is None else out.cards,
        limits=withdraw_form.limits(visit, balances, None if out is None else out.payouts),
        knows_payouts=out is not None,
        withdrawals=withdrawals,
        note=note,
        entered=Entered(payout_currency=balances[0].currency) if sent is None else sent.entered,
        errors=errors,
        key=new_key() if sent is None else sent.key,
        words=withdraw_form.words(visit),
        patterns={"account": ACCOUNT, "name": NAME},
        amount_words=amount_words(visit),
    )


def _wrong_days(visit: Visit, chosen: HistoryFilter) -> Errors:
    return {name: visit.gettext(_WRONG_DAYS[what]) for name, what in chosen.wrong.items()}


@dataclass(frozen=True, slots=True)
class Links:
    """To other pages of the two lists; each keeps what is chosen of the other."""

    visit: Visit
    chosen: HistoryFilter
    cursor: str | None
    older: str | None

    def history(self, cursor: str | None) -> str | None:
        return self._to(cursor, self.older, "history")

    def withdrawals(self, older: str | None) -> str | None:
        return self._to(self.cursor, older, "withdrawals")

    def _to(self, cursor: str | None, older: str | None, part: str) -> str:
        told = {**self.chosen.in_query, "cursor": cursor, "older": older}
        return _address(f"/{self.visit.locale}/balance", {name: value for name, value in told.items() if value}) + f"#{part}"


def _address(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


async def _balances(visit: Visit, caller: Caller) -> list[BalanceView]:
    """Every currency that ever moved, the installation's own first; zeros of that one where nothing ever did."""
    view = await visit.parts.services.question(GetBalances(user_ids=(caller.user_id,), correlation_id=visit.request_id), BALANCES)
    own = visit.parts.settings.default_currency
    never = BalanceView(user_id=caller.user_id, currency=own, available_minor=0, held_minor=0, version=0, updated_at=None)
    return sorted(view.balances, key=lambda one: (one.currency != own, one.currency)) or [never]


async def _changes(visit: Visit, caller: Caller, chosen: HistoryFilter, cursor: str | None) -> TransactionPage:
    asked = ListTransactions(
        user_id=caller.user_id,
        currency=chosen.currency,
        kind=chosen.kind,
        since=chosen.since,
        until=chosen.until,
        limit=CHANGES_A_PAGE,
        cursor=cursor,
        correlation_id=visit.request_id,
    )
    page = await visit.parts.services.question(asked, TRANSACTIONS)
    assert isinstance(page, TransactionPage)
    return page


async def _withdrawals(visit: Visit, caller: Caller, older: str | None) -> WithdrawalPage | None:
    """None while payments does not answer: the balance is shown all the same."""
    asked = ListWithdrawals(user_id=caller.user_id, limit=WITHDRAWALS_A_PAGE, cursor=older, correlation_id=visit.request_id)
    try:
        return await list_withdrawals(visit.parts.services, asked)
    except Problem:
        return None


async def _note(visit: Visit, caller: Caller) -> Note | None:
    try:
        return await note_of(visit, caller, visit.query.get("withdrawal"), visit.query.get("receipt"))
    except Problem:
        return None


async def _ways_out(visit: Visit, caller: Caller) -> WaysOut | None:
    try:
        payouts = (await visit.parts.methods.current(visit.request_id)).payouts
        if payouts is None or payouts.destination != "card":
            return WaysOut(payouts, ())
        asked = ListPayments(user_id=caller.user_id, status="completed", limit=MAX_PAYMENTS, correlation_id=visit.request_id)
        paid = (await list_payments(visit.parts.services, asked)).items
    except Problem:
        return None
    return WaysOut(payouts, [one for one in paid if one.method == payouts.method and one.user_id == caller.user_id])


def _cursor(visit: Visit, name: str) -> str | None:
    text = visit.query.get(name)
    return text if text and len(text) <= _CURSOR_LENGTH_MAX and "\x00" not in text else None


def _fingerprint(wanted: Wanted) -> str:
    money = {"amount_minor": str(wanted.money.amount_minor), "currency": wanted.money.currency}
    return fingerprint("balance", b"", {**money, **wanted.destination.model_dump()})

"""What a user has and how it came about: balances, transactions, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.gateway import rendering
from services.gateway.answers import BalanceAnswer, BalancesAnswer, TransactionsAnswer
from services.gateway.documentation import operation
from services.gateway.edge import request_id_of
from services.gateway.fields import CurrencyCode, Time
from services.gateway.parts import GatewayParts, Parts, SignedIn
from services.gateway.problems import malformed
from services.gateway.requests import BALANCES, TRANSACTIONS
from shared.contracts.queries import MAX_PAGE, BalanceView, GetBalances, ListTransactions, TransactionPage, TransactionView
from shared.money import major_text

router = APIRouter(prefix="/api/v1", tags=["balance"])

_BEHIND: Final = ("invalid_request", "no_answer")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_COLUMNS: Final = (
    "id", "created_at", "kind", "amount", "amount_minor", "currency", "balance_after", "balance_after_minor", "version", "payment_id",
    "description",
)  # fmt: skip


class TransactionFilter(BaseModel):
    model_config = ConfigDict(frozen=True)
    currency: Annotated[CurrencyCode | None, Field(description="Only this currency.")] = None
    kind: Annotated[str | None, Field(pattern=r"^[a-z_]{1,32}$", description="Only this kind.", examples=["deposit"])] = None
    since: Annotated[Time | None, Field(description="Not before this time.")] = None
    until: Annotated[Time | None, Field(description="Before this time.")] = None


class TransactionPaging(TransactionFilter):
    limit: Annotated[int, Field(ge=1, le=100, description="Items a page.", examples=[20])] = 20
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=2_000, pattern=r"^[\x21-\x7e]+$", description="The last page's next_cursor.")
    ] = None
    skip: Annotated[int | None, Field(ge=0, le=100_000, description="The other way to page; not beside cursor.", examples=[0])] = None


@router.get(
    "/balance",
    **operation(
        "My balance in one currency", answers={200: (BalanceAnswer, "Zeros when it has not moved yet.")}, problems=_BEHIND, asks_behind=True
    ),
)
async def balance(
    request: Request,
    caller: SignedIn,
    parts: GatewayParts,
    currency: Annotated[CurrencyCode | None, Query(description="Left out: the default currency.")] = None,
    at: Annotated[Time | None, Query(description="The balance as it was then; of a time to come, as it is now.")] = None,
) -> Response:
    code = currency or parts.settings.default_currency
    asked = GetBalances(user_ids=(caller.user_id,), currency=code, at=at, correlation_id=request_id_of(request.scope))
    view = await parts.services.question(asked, BALANCES)
    never_moved = BalanceView(user_id=caller.user_id, currency=code, available_minor=0, held_minor=0, version=0, updated_at=None)
    return _json(rendering.balance(next((one for one in view.balances if one.currency == code), never_moved)))


@router.get(
    "/balances",
    **operation(
        "My balances", answers={200: (BalancesAnswer, "One a currency that ever moved.")}, problems=("no_answer",), asks_behind=True
    ),
)
async def balances(request: Request, caller: SignedIn, parts: GatewayParts) -> Response:
    view = await parts.services.question(GetBalances(user_ids=(caller.user_id,), correlation_id=request_id_of(request.scope)), BALANCES)
    return _json(rendering.balances(view.balances))


@router.get(
    "/balance/transactions",
    **operation(
        "Changes of my balance, newest first",
        answers={200: (TransactionsAnswer, "A page.")},
        problems=(*_BEHIND, "invalid_cursor"),
        asks_behind=True,
    ),
)
async def transactions(request: Request, caller: SignedIn, parts: GatewayParts, query: Annotated[TransactionPaging, Query()]) -> Response:
    if query.cursor is not None and query.skip is not None:
        raise malformed("query", "skip", msg="is not allowed beside cursor")
    asked = _question(query, caller.user_id, request_id_of(request.scope), query.limit, query.cursor, query.skip or 0)
    return _json(rendering.transactions(await _page(parts, asked)))


@router.get(
    "/balance/transactions.csv",
    **operation(
        "Changes of my balance as CSV, newest first",
        answers={200: (None, "UTF-8, a header line, one line a change; cells that start like a formula begin with an apostrophe.")},
        problems=_BEHIND,
        asks_behind=True,
        media_type="text/csv",
    ),
)
async def transactions_csv(
    request: Request, caller: SignedIn, parts: GatewayParts, query: Annotated[TransactionFilter, Query()]
) -> Response:
    asked = _question(query, caller.user_id, request_id_of(request.scope), MAX_PAGE, None, 0)
    # Asked before the answer begins, so that what fails can still be told.
    first = await _page(parts, asked)
    headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
    return StreamingResponse(_lines(parts, asked, first), headers=headers, media_type="text/csv; charset=utf-8")


def _question(query: TransactionFilter, user_id: str, correlation_id: str, limit: int, cursor: str | None, skip: int) -> ListTransactions:
    return ListTransactions(
        user_id=user_id,
        currency=query.currency,
        kind=query.kind,
        since=query.since,
        until=query.until,
        limit=limit,
        cursor=cursor,
        skip=skip,
        correlation_id=correlation_id,
    )


async def _page(parts: Parts, asked: ListTransactions) -> TransactionPage:
    page = await parts.services.question(asked, TRANSACTIONS)
    assert isinstance(page, TransactionPage)
    return page


async def _lines(parts: Parts, asked: ListTransactions, page: TransactionPage) -> AsyncIterator[bytes]:
    yield _csv([_COLUMNS])
    while True:
        yield _csv([_cells(item) for item in page.items])
        if page.next_cursor is None:
            return
        # A page that fails now breaks the answer off, which every client notices: it has no end.
        page = await _page(parts, asked.model_copy(update={"cursor": page.next_cursor}))


def _cells(item: TransactionView) -> tuple[str | int, ...]:
    return (
        str(item.id),
        rendering.rfc3339(item.created_at),
        _defused(item.kind),
        major_text(item.amount_minor, item.currency),
        item.amount_minor,
        item.currency,
        major_text(item.balance_after_minor, item.currency),
        item.balance_after_minor,
        item.version,
        "" if item.payment_id is None else str(item.payment_id),
        _defused(item.description),
    )


def _defused(text: str) -> str:
    """Spreadsheets run cells that start like this (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(rows: Iterable[Sequence[str | int]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")

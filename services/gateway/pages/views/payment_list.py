"""The list of payments: one's own, a mentor's with those for their sessions, and everybody's for an admin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.history import list_payments, whose
from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.balance.history_filter import HistoryFilter, read_filter
from services.gateway.pages.visits import Visit, log_in_first, visit_of
from services.gateway.parts import GatewayParts
from shared.contracts.history import ListedPayment, ListPayments, ToldStatus

router = APIRouter(include_in_schema=False)

PAGE_ITEMS: Final = 20
STATUSES: Final[tuple[ToldStatus, ...]] = get_args(ToldStatus)

_EXTERNAL_ID_LENGTH_MAX: Final = 255
_CURSOR_LENGTH_MAX: Final = 2_000
_WRONG_DAYS: Final = {
    "day": marked("This is not a day of the calendar."),
    "order": marked("The last day is before the first one."),
}


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """What the list's form asks for; what is no status is passed over: no form of ours sends it."""

    days: HistoryFilter
    status: ToldStatus | None
    external_id: str | None
    everyone: bool

    @property
    def is_set(self) -> bool:
        return any(one is not None for one in (self.status, self.external_id, self.days.first_day, self.days.last_day))

    @property
    def since(self) -> datetime | None:
        return self.days.since

    @property
    def until(self) -> datetime | None:
        return self.days.until

    @property
    def in_query(self) -> dict[str, str]:
        """As the page's own address has it."""
        told = {"status": self.status, "external_id": self.external_id, "all": "true" if self.everyone else None}
        days = {name: value for name, value in self.days.in_query.items() if name in ("from", "until", "zone")}
        return {**{name: value for name, value in told.items() if value}, **days}


@router.get("/{locale}/payments")
async def payments(request: Request, parts: GatewayParts, locale: str) -> Response:
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, visit.locale)
    wanted = _filter(visit)
    asked = ListPayments(
        user_id=whose(visit.caller, everyone=wanted.everyone),
        status=wanted.status,
        external_id=wanted.external_id,
        since=wanted.since,
        until=wanted.until,
        limit=PAGE_ITEMS,
        cursor=visit.query.get("cursor", "")[:_CURSOR_LENGTH_MAX] or None,
        correlation_id=visit.request_id,
    )
    page = await list_payments(parts.services, asked)
    here = f"/{visit.locale}/payments"
    names = parts.hypertext.names[visit.locale]
    errors = {name: visit.gettext(_WRONG_DAYS[why]) for name, why in wanted.days.wrong.items()}
    return visit.page(
        "payments.html",
        status=422 if errors else 200,
        rows=[_row(visit.caller.user_id, item) for item in page.items],
        wanted=wanted,
        errors=errors,
        statuses=[("", visit.gettext("All")), *((one, names.status_name(one)) for one in STATUSES)],
        path=here,
        newest_path=_address(here, wanted.in_query) if asked.cursor is not None else None,
        older_path=None if page.next_cursor is None else _address(here, {**wanted.in_query, "cursor": page.next_cursor}),
    )


def _filter(visit: Visit) -> PaymentFilter:
    query = visit.query
    status = next((one for one in STATUSES if one == query.get("status")), None)
    external_id = query.get("external_id", "").strip().replace("\x00", "")[:_EXTERNAL_ID_LENGTH_MAX]
    return PaymentFilter(read_filter(query), status, external_id or None, query.get("all") == "true")


def _row(user_id: str, item: ListedPayment) -> dict[str, Any]:
    """`other`: whose payment it is, where it is not the viewer's own; "" for a guest's."""
    return {"payment": item, "other": None if item.user_id == user_id else item.user_id or ""}


def _address(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path

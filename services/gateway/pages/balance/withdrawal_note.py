"""What has become of the withdrawal that a visitor comes back from: its stored state in words, or that it is still on its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.gateway import receipts
from services.gateway.auth import Caller
from services.gateway.hypertext.catalogues import marked
from services.gateway.idempotency import caller_of
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit
from services.gateway.problems import RefusedByDecision
from services.gateway.withdrawing import find_withdrawal
from shared.contracts.base import utc_now
from shared.contracts.withdrawals import WithdrawalView

_BY_STATUS: Final[Mapping[str, str]] = {
    "pending": marked("Your withdrawal of %(amount)s is on hold now. It is paid out once it has been approved."),
    "approved": marked("Your withdrawal of %(amount)s is approved and will be paid out."),
    "sending": marked("Your withdrawal of %(amount)s is being paid out."),
    "paid": marked("Your withdrawal of %(amount)s has been paid out."),
    "rejected": marked("Your withdrawal of %(amount)s was rejected. The money is back on your balance."),
    "canceled": marked("Your withdrawal of %(amount)s was canceled. The money is back on your balance."),
    "failed": marked("Your withdrawal of %(amount)s could not be paid out. The money is back on your balance."),
    "returned": marked("The bank sent your withdrawal of %(amount)s back. The money is on your balance again."),
}
_REFUSED: Final = marked("Your withdrawal of %(amount)s was not accepted, and no money was moved.")
_ACCEPTED: Final = marked("Your withdrawal was accepted and is being processed. This page shows it in a moment.")
_NOT_RECEIVED: Final = marked("Your request did not arrive, and no money was moved. Please send it again.")
_BAD: Final = frozenset({"rejected", "failed", "returned"})


@dataclass(frozen=True, slots=True)
class Note:
    """`is_waiting`: worth another look soon."""

    text: str
    is_bad: bool = False
    is_waiting: bool = False


async def note_of(visit: Visit, caller: Caller, withdrawal_id: str | None, receipt: str | None) -> Note | None:
    """None for a withdrawal that is none of the caller's. `receipt`: of one that may not be written down yet. Problems: of a question."""
    if not withdrawal_id or not _is_possible(withdrawal_id):
        return None
    try:
        view = await find_withdrawal(visit.parts.services, withdrawal_id, caller.user_id, visit.request_id)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "withdrawal_not_found":
            raise
        return _not_there_yet(visit, caller, withdrawal_id, receipt)
    return _told(visit, view)


def _told(visit: Visit, view: WithdrawalView) -> Note:
    amount = {"amount": visit.formats.money(view.amount_minor, view.currency)}
    if view.problem is not None:
        refused = visit.gettext(_REFUSED) % amount
        return Note(f"{refused} {visit.gettext(message_of(view.problem.code))}", is_bad=True)
    return Note(visit.gettext(_BY_STATUS.get(view.status, _ACCEPTED)) % amount, is_bad=view.status in _BAD)


def _not_there_yet(visit: Visit, caller: Caller, withdrawal_id: str, receipt: str | None) -> Note | None:
    deadline = receipts.verified_deadline(visit.parts.keys, receipt or "", resource_id=withdrawal_id, caller=caller_of(caller.user_id))
    if deadline is None:
        return None
    if utc_now() < deadline + receipts.GRACE:
        return Note(visit.gettext(_ACCEPTED), is_waiting=True)
    return Note(visit.gettext(_NOT_RECEIVED), is_bad=True)


def _is_possible(withdrawal_id: str) -> bool:
    return len(withdrawal_id) <= 100 and withdrawal_id.isascii() and withdrawal_id.isprintable()

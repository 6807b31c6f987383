"""What open pages are told of payments and withdrawals: one notice a state, never an older state after a newer one. Pure, and bounded.

A notice waits while the socket is still opening or is slow. Of each payment or withdrawal only the newest waits; of more than NOTICES_MAX
the oldest are let go, and the next frame says so: a client that reads the list again has missed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifier.frames import payment_text, with_updates_truncated, withdrawal_text
from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated, WithdrawalUpdated

NOTICES_MAX: Final = 50
"""Of so many payments and withdrawals the newest state is known of a user, and waits for a socket."""

PaymentEvent = PaymentCompleted | PaymentUpdated | WithdrawalUpdated

# A completion's time is the provider's, which may be before the expiry that it beats: states that cannot follow each other the other way
# round are told apart by their stage, and only those of one stage by their time.
_COMPLETED_STAGE: Final = 2
PAYMENT_STAGES: Final = {
    "pending": 0,
    **dict.fromkeys(("failed", "expired", "canceled"), 1),
    **dict.fromkeys(("completed", "partially_refunded", "refunded", "disputed"), _COMPLETED_STAGE + 1),
}
WITHDRAWAL_STAGES: Final = {
    **dict.fromkeys(("pending", "approved", "sending"), 0),
    **dict.fromkeys(("paid", "rejected", "canceled", "failed"), 1),
    "returned": 2,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One state of `subject_id` (a payment or a withdrawal) as the text of its frame."""

    subject_id: UUID
    stage: int
    updated_at: datetime
    text: bytes

    def overtakes(self, known: Notice) -> bool:
        """Of two states of one subject, whether this is the later one; of two of one moment, the one that came last; a repeat is not."""
        if (self.stage, self.updated_at) == (known.stage, known.updated_at):
            return self.text != known.text
        return (self.stage, self.updated_at) > (known.stage, known.updated_at)


class Notices:
    """The newest notice of each subject, those that came last to the end."""

    __slots__ = ("_by_subject", "_truncated")

    def __init__(self) -> None:
        self._by_subject: dict[UUID, Notice] = {}
        self._truncated = False

    def is_news(self, notice: Notice) -> bool:
        """Whether nothing is kept of its subject, or something that it overtakes."""
        known = self._by_subject.get(notice.subject_id)
        return known is None or notice.overtakes(known)

    def keep(self, notice: Notice) -> int:
        """Keeps `notice` in place of what is kept of its subject. Returns how many others were let go for want of room (0 or 1)."""
        self._by_subject.pop(notice.subject_id, None)
        self._by_subject[notice.subject_id] = notice
        if len(self._by_subject) <= NOTICES_MAX:
            return 0
        del self._by_subject[next(iter(self._by_subject))]
        self._truncated = True
        return 1

    def take(self) -> bytes | None:
        """The frame of the notice that has waited longest, which is then kept no more; None when there is none."""
        if not self._by_subject:
            return None
        notice = self._by_subject.pop(next(iter(self._by_subject)))
        truncated, self._truncated = self._truncated, False
        return with_updates_truncated(notice.text) if truncated else notice.text


def addressees(event: PaymentEvent) -> tuple[str, ...]:
    """The users who may see it, each once; none for a guest's order."""
    users: tuple[str | None, ...]
    match event:
        case PaymentCompleted():
            users = (event.payer_id, event.user_id)
        case PaymentUpdated():
            users = event.user_ids
        case WithdrawalUpdated():
            users = (event.user_id,)
    return tuple(dict.fromkeys(user_id for user_id in users if user_id is not None))


def notice_of(event: PaymentEvent) -> Notice:
    """KeyError for a currency that nobody knows the decimals of."""
    match event:
        case PaymentCompleted():
            return Notice(event.payment_id, _COMPLETED_STAGE, event.completed_at, payment_text(_completion(event)))
        case PaymentUpdated():
            return Notice(event.payment_id, PAYMENT_STAGES.get(event.status, 0), event.updated_at, payment_text(event))
        case WithdrawalUpdated():
            return Notice(event.withdrawal_id, WITHDRAWAL_STAGES.get(event.status, 0), event.updated_at, withdrawal_text(event))


def _completion(event: PaymentCompleted) -> PaymentUpdated:
    return PaymentUpdated(
        message_id=event.message_id,
        correlation_id=event.correlation_id,
        occurred_at=event.occurred_at,
        payment_id=event.payment_id,
        user_ids=addressees(event),
        kind=event.kind,
        status="completed",
        method=event.provider,
        amount_minor=event.amount_minor,
        currency=event.currency,
        updated_at=event.completed_at,
    )

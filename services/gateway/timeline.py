"""The ledger's part of a payment's timeline: transfers, what they changed for whom, and when that was told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shared.contracts.history import TimelineStep
from shared.contracts.queries import BookedTransfer, EntryView
from shared.contracts.wallet_events import BalanceChanged

WALLET: Final = "wallet"


@dataclass(frozen=True, slots=True)
class Viewer:
    user_id: str
    is_admin: bool

    def may_see_balance_of(self, user_id: str) -> bool:
        """What somebody has is their own matter, also where both took part."""
        return self.is_admin or self.user_id == user_id


def in_order(steps: Iterable[TimelineStep], transfers: Iterable[BookedTransfer], viewer: Viewer) -> list[TimelineStep]:
    """All steps by time; of the same time, payments' own before the ledger's."""
    booked = (step for transfer in transfers for step in _of_transfer(transfer, viewer))
    return sorted([*steps, *booked], key=lambda step: step.at)


def _of_transfer(transfer: BookedTransfer, viewer: Viewer) -> Iterator[TimelineStep]:
    ids = {"transfer_id": str(transfer.transfer_id), "reference": transfer.reference, "request_id": transfer.correlation_id}
    yield TimelineStep(
        at=transfer.created_at,
        step="ledger.transfer",
        service=WALLET,
        ids=ids,
        detail={
            "kind": transfer.kind,
            "amount_minor": transfer.amount_minor,
            "currency": transfer.currency,
            "source": f"{transfer.source.kind}:{transfer.source.owner}",
            "target": f"{transfer.target.kind}:{transfer.target.owner}",
        },
    )
    for entry in transfer.entries:
        if viewer.may_see_balance_of(entry.user_id):
            yield from _of_entry(entry, transfer, ids)


def _of_entry(entry: EntryView, transfer: BookedTransfer, ids: dict[str, str]) -> Iterator[TimelineStep]:
    own = {**ids, "user_id": entry.user_id}
    if entry.message_id is not None:
        own["message_id"] = str(entry.message_id)
    yield TimelineStep(
        at=entry.created_at,
        step="ledger.entry",
        service=WALLET,
        ids=own,
        detail={
            "version": entry.version,
            "change_minor": entry.change_minor,
            "held_change_minor": entry.held_change_minor,
            "available_after_minor": entry.available_after_minor,
            "held_after_minor": entry.held_after_minor,
            "currency": transfer.currency,
        },
    )
    if entry.published_at is not None:
        told = {"type": BalanceChanged.TYPE, "version": entry.version}
        yield TimelineStep(at=entry.published_at, step="message.sent", service=WALLET, ids=own, detail=told)

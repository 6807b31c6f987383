"""What becomes of money that was taken: sent back by us or at the provider's own site, disputed, withdrawn to its card."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.mixed.callers import Answer, Caller
from tests.mixed.plan import major, part
from tests.mixed.world import Record, World

_ASK_AGAIN_SECONDS: Final = 0.3
_BEARS_SECONDS: Final = 12.0
_REFUSED: Final = frozenset({400, 409, 422})
_EVENTS: Final = {"stripe": {"opened": "open", "won": "win", "lost": "lose"}, "allsecure": {"opened": "opened", "won": "won"}}


async def follow(world: World, record: Record) -> None:
    """Plays the story's sequel about the money that was taken for `record`."""
    sequel = record.story.sequel
    if record.story.behaviour == "both_sessions_pay" and record.provider in _EVENTS:
        # Which of the two charges is kept apart is decided by what is heard first; either may be taken back.
        deed = (_elsewhere_part, _elsewhere_whole, _dispute_open, _dispute_won)[int(record.story.pause * 4)]
        await deed(world, record)
    elif sequel != "nothing" and record.provider == record.story.provider:
        await _SEQUELS[sequel](world, record)


async def is_known_paid(world: World, record: Record) -> bool:
    """Waits a while for our side to know; with a lost webhook of a provider that cannot be asked, it does not."""
    until = time.monotonic() + world.patience.known_seconds
    while time.monotonic() < until:
        told = await world.admin.get(f"/payments/{record.payment_id}")
        if told.status == 200 and told.body["status"] in ("completed", "partially_refunded", "refunded", "disputed"):
            return True
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
    world.notes.append(f"{record.provider}: not known to be paid after {world.patience.known_seconds:.0f} s, its sequel is left out")
    return False


async def send_back(world: World, record: Record, **body: Any) -> Answer:
    """By the mentor who was paid where that is possible, else by an admin."""
    by_mentor = record.story.kind == "payment" and not body.keys() & {"force", "manual_reference"}
    asker = world.mentors[record.story.mentor] if by_mentor else world.admin
    answer = await asker.post(f"/payments/refund/{record.payment_id}", body, bears_seconds=_BEARS_SECONDS)
    assert answer.status in (201, 202, *_REFUSED), answer
    return answer


# ---- back to the payer


async def _refund_whole(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await send_back(world, record)


async def _refund_part(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await send_back(world, record, amount=_part(record))


async def _refund_two_parts(world: World, record: Record) -> None:
    """At the same time; together perhaps more than there is."""
    if await is_known_paid(world, record):
        await asyncio.gather(send_back(world, record, amount=_part(record)), send_back(world, record, amount=_part(record)))


async def _refund_forced(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await send_back(world, record, force=True)


async def _refund_comes_back(world: World, record: Record) -> None:
    """The provider fails it after it had succeeded."""
    if not await is_known_paid(world, record):
        return
    answer = await send_back(world, record, amount=_part(record))
    if answer.status not in _REFUSED:
        await _fail_refunds(world, record)


async def _elsewhere_whole(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await _elsewhere(world, record, None)


async def _elsewhere_part(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await _elsewhere(world, record, _part(record))


async def _elsewhere_at_once(world: World, record: Record) -> None:
    """Perhaps before we know that it was paid at all."""
    await _elsewhere(world, record, _part(record))


async def _elsewhere_comes_back(world: World, record: Record) -> None:
    await _elsewhere(world, record, _part(record))
    await _fail_refunds(world, record)


async def _elsewhere(world: World, record: Record, amount_minor: int | None) -> None:
    if await world.try_control(record.provider, "refund_elsewhere", charge=record.reference, amount=amount_minor) is not None:
        record.did("refunded_elsewhere")


async def _fail_refunds(world: World, record: Record) -> None:
    for refund in await world.providers[record.provider].book("refunds"):
        if record.reference in (refund["reference"], refund["charge"]):
            await world.try_control(record.provider, "fail_refund", refund=refund["refund"])


async def _cabinet_whole(world: World, record: Record) -> None:
    await _cabinet(world, record, record.story.amount_minor)


async def _cabinet_part(world: World, record: Record) -> None:
    await _cabinet(world, record, _part(record))


async def _cabinet(world: World, record: Record, amount_minor: int) -> None:
    """Prodamus sends back and tells nobody: whoever does it there writes it down here."""
    if not await is_known_paid(world, record):
        return
    told = await world.admin.get(f"/payments/{record.payment_id}")
    # Which of two charges it is that has paid it, is ours to say.
    charge = told.body["transaction_id"].removeprefix("prodamus:")
    amount = major(amount_minor, record.story.currency)
    refund = await world.try_control("prodamus", "refund_elsewhere", charge=charge, amount=amount)
    if refund is not None:
        answer = await send_back(world, record, amount=amount_minor, manual_reference=refund["refund"])
        assert answer.status in (201, 202), answer


# ---- disputes


async def _dispute(world: World, record: Record, *events: str, amount: int | None = None) -> None:
    for event in events:
        named = _EVENTS[record.provider][event]
        if await world.try_control(record.provider, "dispute", charge=record.reference, event=named, amount=amount) is None:
            return
        record.did(f"dispute_{event}")
        await asyncio.sleep(record.story.pause * 2)


async def _dispute_open(world: World, record: Record) -> None:
    await _dispute(world, record, "opened")


async def _dispute_won(world: World, record: Record) -> None:
    await _dispute(world, record, "opened", "won")


async def _dispute_lost(world: World, record: Record) -> None:
    await _dispute(world, record, "opened", "lost")


async def _part_then_dispute(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await send_back(world, record, amount=_part(record))
    await _dispute(world, record, "opened", *(("won",) if record.story.pause > 0.5 else ()))


async def _refund_beside_dispute(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        await asyncio.gather(send_back(world, record, amount=_part(record)), _dispute(world, record, "opened"))


# ---- out to the card


async def _withdraw(world: World, record: Record) -> None:
    await _withdrawn(world, record)


async def _withdraw_big(world: World, record: Record) -> None:
    """More than goes without anybody's approval."""
    withdrawal = await _withdrawn(world, record, whole=True)
    if withdrawal is not None:
        await _decide(world.admin, withdrawal, "approve")


async def _withdraw_rejected(world: World, record: Record) -> None:
    withdrawal = await _withdrawn(world, record, whole=True)
    if withdrawal is not None:
        await _decide(world.admin, withdrawal, "reject", reason="not today")


async def _withdraw_canceled(world: World, record: Record) -> None:
    """While an admin approves it."""
    withdrawal = await _withdrawn(world, record, whole=True)
    if withdrawal is not None:
        await asyncio.gather(_decide(_owner(world, record), withdrawal, "cancel"), _decide(world.admin, withdrawal, "approve"))


async def _withdraw_refused_by_bank(world: World, record: Record) -> None:
    await world.providers["allsecure"].control("outcome", operation="payout", outcome="declined")
    await _withdrawn(world, record)


async def _withdraw_bank_decides(world: World, record: Record) -> None:
    """Whichever payout comes next is pending, and settled at the run's end."""
    await world.providers["allsecure"].control("outcome", operation="payout", outcome="pending")
    await _withdrawn(world, record)


async def _withdraw_comes_back(world: World, record: Record) -> None:
    withdrawal = await _withdrawn(world, record)
    if withdrawal is None:
        return
    await asyncio.sleep(1 + record.story.pause * 2)
    for payout in await world.providers["allsecure"].book("payouts"):
        if payout["reference"] == withdrawal:
            await world.try_control("allsecure", "fail_payout", payout=payout["payout"])


async def _withdraw_too_much(world: World, record: Record) -> None:
    if await is_known_paid(world, record):
        answer = await _ask_to_withdraw(world, record, 10**9)
        assert (answer.status, answer.code) == (409, "insufficient_funds"), answer


async def _withdrawn(world: World, record: Record, *, whole: bool = False) -> str | None:
    """The withdrawal's id; None: it was refused, or is not known to be held."""
    if not await is_known_paid(world, record):
        return None
    answer = await _ask_to_withdraw(world, record, record.story.amount_minor if whole else _part(record))
    assert answer.status in (201, 202, *_REFUSED), answer
    return str(answer.body["withdrawal_id"]) if answer.status == 201 else None


async def _ask_to_withdraw(world: World, record: Record, amount_minor: int) -> Answer:
    currency = record.story.currency
    destination = {"type": "card", "payment_id": record.payment_id}
    body = {"amount": major(amount_minor, currency), "currency": currency, "destination": destination}
    return await _owner(world, record).post("/balance/withdraw", body)


async def _decide(who: Caller, withdrawal: str, decision: str, **body: Any) -> None:
    answer = await who.post(f"/withdrawals/{withdrawal}/{decision}", body or None)
    assert answer.status in (200, 409), answer


def _owner(world: World, record: Record) -> Caller:
    return world.users[record.story.payer]


def _part(record: Record) -> int:
    return part(record.story.amount_minor, record.story.share, record.story.currency)


_SEQUELS: Final[dict[str, Callable[[World, Record], Awaitable[None]]]] = {
    "refund_whole": _refund_whole,
    "refund_part": _refund_part,
    "refund_two_parts": _refund_two_parts,
    "refund_forced": _refund_forced,
    "refund_comes_back": _refund_comes_back,
    "elsewhere_whole": _elsewhere_whole,
    "elsewhere_part": _elsewhere_part,
    "elsewhere_at_once": _elsewhere_at_once,
    "elsewhere_comes_back": _elsewhere_comes_back,
    "cabinet_whole": _cabinet_whole,
    "cabinet_part": _cabinet_part,
    "dispute_open": _dispute_open,
    "dispute_won": _dispute_won,
    "dispute_lost": _dispute_lost,
    "part_then_dispute": _part_then_dispute,
    "refund_beside_dispute": _refund_beside_dispute,
    "withdraw": _withdraw,
    "withdraw_big": _withdraw_big,
    "withdraw_rejected": _withdraw_rejected,
    "withdraw_canceled": _withdraw_canceled,
    "withdraw_refused_by_bank": _withdraw_refused_by_bank,
    "withdraw_bank_decides": _withdraw_bank_decides,
    "withdraw_comes_back": _withdraw_comes_back,
    "withdraw_too_much": _withdraw_too_much,
}

PLAYED: Final = frozenset(_SEQUELS)

"""One story from its beginning to the moment when the provider has decided: opened by us, paid or not by its payer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from tests.mixed.callers import Answer, Caller
from tests.mixed.plan import Story, major
from tests.mixed.tills import Till, till
from tests.mixed.world import Record, World, session_of, until

_LATE_SECONDS: Final = 4.0
_BANK_SECONDS: Final = 6.0
_BEARS_SECONDS: Final = 60.0
_POINTS: Final = [{"chakra": "ajna", "value": 3}]


async def begin(world: World, story: Story) -> tuple[Record, Caller]:
    """Opened, or refused, with whoever is paying."""
    record = world.record(story)
    match story.kind:
        case "deposit":
            caller, path = world.users[story.payer], "/balance/deposit"
            body: dict[str, Any] = {"amount": major(story.amount_minor, story.currency), "currency": story.currency}
        case "payment":
            caller, path = world.users[story.payer], "/payments/create-intent"
            mentor = world.mentors[story.mentor]
            body = {"amount": story.amount_minor, "currency": story.currency, "mentor_id": mentor.user_id}
            body["session_id"] = session_of(mentor, story.currency)
        case "order":
            caller, path = world.callers.guest(), "/orders"
            body = {"product": "chakras", "email": f"guest-{story.number}@example.org", "points": _POINTS}
    asked = body | {"method": story.provider, "locale": "en"}
    answer = await caller.post(path, asked, bears_seconds=world.patience.opening_seconds)
    _note(record, answer, story.provider)
    return record, caller


async def pay(world: World, record: Record, caller: Caller) -> Record | None:
    """Behaves as the story says; the record that money was taken for, if any was."""
    if record.refused:
        return None
    story = record.story
    if story.behaviour in ("another_session_pays", "both_sessions_pay"):
        return await _pay_by_another_session(world, record, caller)
    paid = await _BEHAVIOURS[story.behaviour](world, record, caller, till(world, record, caller))
    return record if paid else None


async def _pay_by_another_session(world: World, record: Record, caller: Caller) -> Record | None:
    """The order's page leads to a new session; whoever has the first one still open may pay that as well."""
    story, first = record.story, till(world, record, caller)
    await first.close()
    second = world.record(story)
    record.replaced = True
    path, asked = f"/orders/{record.order_id}/payments", {"method": story.second_provider}
    answer = await caller.post(path, asked, bears_seconds=world.patience.opening_seconds)
    _note(second, answer, story.second_provider)
    if second.refused:
        return None
    paid = await till(world, second, caller).pay()
    also = story.behaviour == "both_sessions_pay" and await first.pay()
    # Of an order that was paid twice, the sequel is about the charge that may have come second.
    return record if also else second if paid else None


def _note(record: Record, answer: Answer, provider: str) -> None:
    told = answer.body
    record.provider = provider
    if answer.status == 202:
        # Whatever comes of it, nobody waits for the page any more.
        record.payment_id, record.order_id, record.refused = told.get("payment_id", ""), told.get("order_id", ""), "given_up"
        return
    if answer.status != 201:
        assert answer.status in (409, 422, 503), answer
        record.refused = answer.code
        return
    record.payment_id, record.payment_url = told["payment_id"], told["payment_url"]
    record.order_id = told.get("order_id", "")
    record.expires_at = datetime.fromisoformat(told["expires_at"])
    assert told.get("method", told.get("payment_method", provider)) == provider, told


# ---- behaviours: each tells whether the provider took money


async def _pays(world: World, record: Record, caller: Caller, at: Till) -> bool:
    return await at.pay()


async def _pays_and_confirms(world: World, record: Record, caller: Caller, at: Till) -> bool:
    paid = await at.pay()
    asker = caller if caller.user_id else world.admin
    told = await asker.post(f"/payments/confirm/{record.payment_id}", bears_seconds=10)
    assert told.status in (200, 202, 409), told
    return paid


async def _declined(world: World, record: Record, caller: Caller, at: Till) -> bool:
    await at.decline()
    return False


async def _declined_then_pays(world: World, record: Record, caller: Caller, at: Till) -> bool:
    await at.decline()
    return await at.pay()


async def _passes_3ds(world: World, record: Record, caller: Caller, at: Till) -> bool:
    return await at.meet_3ds(passes=True)


async def _fails_3ds(world: World, record: Record, caller: Caller, at: Till) -> bool:
    return await at.meet_3ds(passes=False)


async def _goes_back(world: World, record: Record, caller: Caller, at: Till) -> bool:
    await at.go_back()
    return False


async def _closes(world: World, record: Record, caller: Caller, at: Till) -> bool:
    await at.close()
    return False


async def _late(world: World, record: Record, caller: Caller, at: Till) -> bool:
    assert record.expires_at is not None
    await at.close()
    await asyncio.sleep(until(record.expires_at, after_seconds=record.story.pause * _LATE_SECONDS))
    return await at.pay()


async def _cancels(world: World, record: Record, caller: Caller, at: Till) -> bool:
    asker = caller if caller.user_id else world.admin
    record.may_be_canceled = True
    told = await asker.post(f"/payments/{record.payment_id}/cancel", bears_seconds=_BEARS_SECONDS)
    assert told.status in (200, 202, 409), told
    record.canceled = told.status == 200
    return False


async def _cancels_then_pays(world: World, record: Record, caller: Caller, at: Till) -> bool:
    await at.close()
    await _cancels(world, record, caller, at)
    return await at.pay()


async def _cancels_while_paying(world: World, record: Record, caller: Caller, at: Till) -> bool:
    paid, _ = await asyncio.gather(at.pay(), _cancels(world, record, caller, at))
    return paid


async def _bank_decides_to_pay(world: World, record: Record, caller: Caller, at: Till) -> bool:
    if not await at.leave_to_bank():
        return False
    await asyncio.sleep(record.story.pause * _BANK_SECONDS)
    return await at.bank_decides(pays=True)


async def _bank_decides_to_refuse(world: World, record: Record, caller: Caller, at: Till) -> bool:
    if await at.leave_to_bank():
        await asyncio.sleep(record.story.pause * _BANK_SECONDS)
        await at.bank_decides(pays=False)
    return False


async def _pays_twice(world: World, record: Record, caller: Caller, at: Till) -> bool:
    return await at.pay() and await at.pay_again()


async def _never_comes(world: World, record: Record, caller: Caller, at: Till) -> bool:
    return False


_BEHAVIOURS: Final[dict[str, Callable[[World, Record, Caller, Till], Awaitable[bool]]]] = {
    "pays": _pays,
    "pays_and_confirms": _pays_and_confirms,
    "declined": _declined,
    "declined_then_pays": _declined_then_pays,
    "passes_3ds": _passes_3ds,
    "fails_3ds": _fails_3ds,
    "goes_back": _goes_back,
    "closes": _closes,
    "late": _late,
    "cancels": _cancels,
    "cancels_then_pays": _cancels_then_pays,
    "cancels_while_paying": _cancels_while_paying,
    "bank_decides_to_pay": _bank_decides_to_pay,
    "bank_decides_to_refuse": _bank_decides_to_refuse,
    "pays_twice": _pays_twice,
    "never_comes": _never_comes,
}

PLAYED: Final = frozenset(_BEHAVIOURS)

"""Envelopes: 1 to 100 events of one route in one message; a bad one is split off, its neighbours are kept."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.base import utc_now
from shared.contracts.payment_events import PaymentCompleted, WithdrawalUpdated
from shared.contracts.topology import ENVELOPE_BYTES, ENVELOPE_EVENTS
from shared.delivery.envelopes import Unpacker, count_that_fits, pack
from shared.delivery.errors import Permanent

UNPACKER = Unpacker(PaymentCompleted)
KEY = PaymentCompleted.TYPE


def event(number: int = 1, **changes: Any) -> PaymentCompleted:
    fields: dict[str, Any] = {
        "correlation_id": f"request-{number}",
        "payment_id": f"00000000-0000-0000-0000-{number:012}",
        "user_id": "1",
        "provider": "mock",
        "amount_minor": number,
        "currency": "rsd",
        "credit_reference": f"mock:ch_{number}",
        "completed_at": utc_now(),
    }
    return PaymentCompleted(**(fields | changes))


def envelope(*items: Any, key: str = KEY) -> bytes:
    plain = [orjson.loads(item.model_dump_json()) if isinstance(item, PaymentCompleted) else item for item in items]
    return orjson.dumps({"type": key, "events": plain})


@pytest.mark.parametrize("count", [1, 2, ENVELOPE_EVENTS])
def test_packed_events_come_back_in_order(count: int) -> None:
    events = [event(number) for number in range(1, count + 1)]

    assert UNPACKER.unpack(pack(KEY, [e.model_dump_json().encode() for e in events])) == (events, [])


@pytest.mark.parametrize("count", [0, ENVELOPE_EVENTS + 1])
def test_no_envelope_is_empty_or_overfull(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        pack(KEY, [b"{}"] * count)
    with pytest.raises(Permanent):
        UNPACKER.unpack(envelope(*[event()] * count))


POISON: list[Any] = [
    None,
    1,
    "text",
    [],
    {},
    {"type": KEY},
    json.loads(event().model_dump_json()) | {"amount_minor": -1},
    json.loads(event().model_dump_json()) | {"type": "payment.completed.v2"},
    json.loads(event().model_dump_json()) | {"currency": "RSD"},
    json.loads(event().model_dump_json()) | {"payment_id": "not-an-id"},
]
POISON_NAMES = ["null", "number", "text", "list", "empty", "type alone", "negative amount", "another type", "wrong currency", "wrong id"]


@pytest.mark.parametrize("poison", POISON, ids=POISON_NAMES)
def test_a_poisoned_event_is_split_off_with_a_reason_and_its_neighbours_are_kept(poison: Any) -> None:
    events, unreadable = UNPACKER.unpack(envelope(event(1), poison, event(3)))

    assert [e.amount_minor for e in events] == [1, 3]
    (bad,) = unreadable
    assert json.loads(bad.text) == poison
    assert bad.reason.startswith(f"does not fit {KEY}: ")


def test_the_reason_names_the_field_and_shows_no_value() -> None:
    bad = json.loads(event().model_dump_json()) | {"currency": "a secret of somebody"}
    _, (unreadable,) = UNPACKER.unpack(envelope(bad))

    assert unreadable.reason == f"does not fit {KEY}: currency"


@given(bad=st.sets(st.integers(0, 30), max_size=31))
def test_whichever_are_bad_all_others_are_kept(bad: set[int]) -> None:
    items = [{"poison": n} if n in bad else event(n + 1) for n in range(31)]
    events, unreadable = UNPACKER.unpack(envelope(*items))

    assert [e.amount_minor for e in events] == [n + 1 for n in range(31) if n not in bad]
    assert len(unreadable) == len(bad)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"null",
        b"[]",
        b"{}",
        envelope(event(), key="balance.changed.v1"),
        b'{"events": []}',
        b'{"type": "payment.completed.v1"}',
        b'{"type": "payment.completed.v1", "events": {}}',
        b'{"type": "payment.completed.v1", "events": "all of them"}',
        b"[" * 100_000,
    ],
    ids=lambda value: value[:40],
)
def test_what_is_no_envelope_of_this_route_is_a_dead_letter_as_a_whole(body: bytes) -> None:
    with pytest.raises(Permanent):
        UNPACKER.unpack(body)


@given(body=st.binary(max_size=300))
def test_any_bytes_are_refused_and_break_nothing(body: bytes) -> None:
    with pytest.raises(Permanent):
        UNPACKER.unpack(body)


def test_a_queue_of_several_routes_reads_the_envelopes_of_each() -> None:
    both = Unpacker[PaymentCompleted | WithdrawalUpdated](PaymentCompleted, WithdrawalUpdated)
    withdrawal = WithdrawalUpdated(
        correlation_id="request-1",
        withdrawal_id=UUID(int=7),
        user_id="1",
        status="paid",
        amount_minor=1,
        currency="rsd",
        updated_at=utc_now(),
    )
    completed, text = event(), withdrawal.model_dump_json().encode()

    assert both.unpack(envelope(completed)) == ([completed], [])
    assert both.unpack(pack(WithdrawalUpdated.TYPE, [text])) == ([withdrawal], [])
    events, (bad,) = both.unpack(pack(WithdrawalUpdated.TYPE, [text, completed.model_dump_json().encode()]))
    assert (events, bad.key) == ([withdrawal], WithdrawalUpdated.TYPE), "an envelope holds events of its own route"
    with pytest.raises(Permanent, match=r"payment\.completed\.v1 or withdrawal\.updated\.v1"):
        both.unpack(envelope(completed, key="balance.changed.v1"))


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        ([], 0),
        ([10], 1),
        ([10] * 250, ENVELOPE_EVENTS),
        ([ENVELOPE_BYTES * 3], 1),
        ([ENVELOPE_BYTES * 3, 10], 1),
        ([10, ENVELOPE_BYTES * 3], 1),
        ([ENVELOPE_BYTES // 2] * 5, 2),
        ([ENVELOPE_BYTES // 3] * 5, 3),
    ],
    ids=str,
)
def test_an_envelope_is_bounded_by_events_and_by_bytes_and_never_empty(sizes: list[int], fits: int) -> None:
    assert count_that_fits(sizes) == fits

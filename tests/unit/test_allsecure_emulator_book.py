"""What the book of AllSecure's emulator allows: how payments are decided, what can be given back, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.emulators.allsecure.answers import callback
from tests.emulators.allsecure.book import Book
from tests.emulators.allsecure.connectors import Behaviour
from tests.emulators.allsecure.transactions import IllegalMove, Kind, Refusal, Request, Status, Transaction


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> Book:
    return Book(clock=clock, seed=1)


def asked(kind: Kind, reference: str, amount_minor: int | None = 1000, of: str | None = None, **others: Any) -> Request:
    return Request(kind, reference, amount_minor, "EUR" if amount_minor is not None else None, reference_uuid=of, **others)


def paid(book: Book, reference: str = "ord-1", amount_minor: int = 1000) -> Transaction:
    return book.settle(book.submit("cards", asked(Kind.DEBIT, reference, amount_minor)).uuid, "success")


def test_a_debit_waits_for_its_payer_and_is_decided_once(book: Book) -> None:
    debit = book.submit("cards", asked(Kind.DEBIT, "ord-1"))
    assert (debit.status, debit.purchase_id) == (Status.REDIRECT, f"20261120-{debit.uuid}")
    assert len(debit.uuid) == 20

    pending = book.settle(debit.uuid, "pending")
    declined = book.settle(debit.uuid, "declined")

    assert (pending.status, declined.status) == (Status.PENDING, Status.ERROR)
    assert declined.failure is not None
    assert declined.failure.code == 2003
    with pytest.raises(IllegalMove):
        book.settle(debit.uuid, "success")


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [("cancelled", Status.CANCELLED, 2002), ("three_d_secure", Status.ERROR, 2021), ("expired", Status.ERROR, 2005)],
)
def test_each_way_of_not_paying_has_its_code(book: Book, outcome: str, status: Status, code: int) -> None:
    debit = book.settle(book.submit("cards", asked(Kind.DEBIT, "ord-1")).uuid, outcome)

    assert debit.failure is not None
    assert (debit.status, debit.failure.code) == (status, code)


def test_an_id_is_used_once_by_a_connector_whatever_for(book: Book) -> None:
    debit = paid(book)

    for request in (asked(Kind.DEBIT, "ord-1"), asked(Kind.REFUND, "ord-1", 100, debit.uuid)):
        with pytest.raises(Refusal) as refused:
            book.submit("cards", request)
        assert refused.value.code == 3004
    assert book.submit("other cards", asked(Kind.DEBIT, "ord-1")).status is Status.REDIRECT


def test_refunds_end_where_the_charge_does(book: Book) -> None:
    debit = paid(book)
    book.choose(Kind.REFUND, "pending")

    first = book.submit("cards", asked(Kind.REFUND, "ref-1", 600, debit.uuid))
    too_much = book.submit("cards", asked(Kind.REFUND, "ref-2", 401, debit.uuid))
    rest = book.submit("cards", asked(Kind.REFUND, "ref-3", 400, debit.uuid))

    assert [one.status for one in (first, too_much, rest)] == [Status.PENDING, Status.ERROR, Status.SUCCESS]
    assert book.refunded_minor(debit.uuid) == 1000
    book.settle(first.uuid, "adapter")
    book.overturn(rest.uuid)
    assert book.refunded_minor(debit.uuid) == 0, "what failed, before or after it had succeeded, was not given back"
    assert book.submit("cards", asked(Kind.REFUND, "ref-4", 1000, debit.uuid)).status is Status.SUCCESS


def test_what_was_not_charged_cannot_be_refunded(book: Book) -> None:
    waiting = book.submit("cards", asked(Kind.DEBIT, "ord-1"))
    theirs = book.settle(book.submit("other cards", asked(Kind.DEBIT, "ord-1")).uuid, "success")

    refused = book.submit("cards", asked(Kind.REFUND, "ref-1", 100, waiting.uuid))

    assert refused.failure is not None
    assert (refused.status, refused.failure.code) == (Status.ERROR, 1006)
    with pytest.raises(Refusal):
        book.submit("cards", asked(Kind.REFUND, "ref-2", 100, theirs.uuid))


def test_a_reservation_is_captured_in_parts_and_each_part_refunded(book: Book) -> None:
    reserved = book.settle(book.submit("cards", asked(Kind.PREAUTHORIZE, "ord-1")).uuid, "success")

    part = book.submit("cards", asked(Kind.CAPTURE, "cap-1", 700, reserved.uuid))
    too_much = book.submit("cards", asked(Kind.CAPTURE, "cap-2", 301, reserved.uuid))
    raised = book.submit("cards", asked(Kind.INCREMENTAL_AUTHORIZATION, "inc-1", 100, reserved.uuid))
    rest = book.submit("cards", asked(Kind.CAPTURE, "cap-3", 400, reserved.uuid))
    too_late = book.submit("cards", asked(Kind.VOID, "void-1", None, reserved.uuid))

    statuses = [one.status for one in (part, too_much, raised, rest, too_late)]
    assert statuses == [Status.SUCCESS, Status.ERROR, Status.SUCCESS, Status.SUCCESS, Status.ERROR]
    assert book.submit("cards", asked(Kind.REFUND, "ref-1", 701, part.uuid)).status is Status.ERROR
    assert book.submit("cards", asked(Kind.REFUND, "ref-2", 700, part.uuid)).status is Status.SUCCESS
    assert book.submit("cards", asked(Kind.REFUND, "ref-3", 100, reserved.uuid)).status is Status.ERROR, "a reservation is no charge"


def test_a_reservation_that_is_released_or_past_its_days_cannot_be_captured(book: Book, clock: Clock) -> None:
    released = book.settle(book.submit("cards", asked(Kind.PREAUTHORIZE, "ord-1")).uuid, "success")
    forgotten = book.settle(book.submit("cards", asked(Kind.PREAUTHORIZE, "ord-2")).uuid, "success")

    assert book.submit("cards", asked(Kind.VOID, "void-1", None, released.uuid)).status is Status.SUCCESS
    clock.now += timedelta(days=7, seconds=1)

    for number, one in enumerate((released, forgotten)):
        assert book.submit("cards", asked(Kind.CAPTURE, f"cap-{number}", 100, one.uuid)).status is Status.ERROR


def test_a_payout_goes_to_the_card_of_a_payment_that_succeeded(book: Book) -> None:
    good, bad = paid(book), book.submit("cards", asked(Kind.DEBIT, "ord-2"))
    book.settle(bad.uuid, "declined")
    book.choose(Kind.PAYOUT, "insufficient_funds")

    outcomes = [book.submit("cards", asked(Kind.PAYOUT, f"pay-{number}", 5000, good.uuid)).status for number in range(2)]

    assert outcomes == [Status.ERROR, Status.SUCCESS], "as chosen, once; and a payout is not bounded by the payment"
    assert book.submit("cards", asked(Kind.PAYOUT, "pay-9", 100, bad.uuid)).status is Status.ERROR


def test_a_stored_card_is_charged_without_its_owner_until_it_is_forgotten(book: Book) -> None:
    stored = book.settle(book.submit("cards", asked(Kind.REGISTER, "reg-1", None)).uuid, "success")

    assert book.submit("cards", asked(Kind.DEBIT, "ord-1", of=stored.uuid)).status is Status.SUCCESS
    assert book.submit("cards", asked(Kind.DEREGISTER, "dereg-1", None, stored.uuid)).status is Status.SUCCESS
    assert book.submit("cards", asked(Kind.DEBIT, "ord-2", of=stored.uuid)).status is Status.ERROR
    assert book.submit("cards", asked(Kind.DEBIT, "ord-3", of=paid(book, "ord-4").uuid)).status is Status.ERROR


def test_a_chargeback_and_its_reversal_are_transactions_of_their_own(book: Book) -> None:
    debit = paid(book)

    chargeback = book.charge_back(debit.uuid, 700, "Fraud")
    with pytest.raises(IllegalMove):
        book.charge_back(debit.uuid, 301, "Fraud")
    assert book.submit("cards", asked(Kind.REFUND, "ref-1", 301, debit.uuid)).status is Status.ERROR
    reversal = book.reverse_chargeback(chargeback.uuid, "Won")
    with pytest.raises(IllegalMove):
        book.reverse_chargeback(chargeback.uuid, "Won")

    assert len({debit.uuid, chargeback.uuid, reversal.uuid}) == 3
    assert all(one.reference.startswith("auto-") and len(one.reference) <= 50 for one in (chargeback, reversal))
    assert book.charged_back_minor(debit.uuid) == 0
    assert book.find("cards", chargeback.reference) == chargeback


@pytest.mark.parametrize(("form", "told"), [("text", "7.00"), ("number", 7.0)])
def test_callbacks_say_it_in_either_dialect(book: Book, form: Any, told: object) -> None:
    debit = paid(book)
    chargeback = book.charge_back(debit.uuid, 700, "Fraud")
    declined = book.settle(book.submit("cards", asked(Kind.DEBIT, "ord-2", meta_data="a=b")).uuid, "declined")

    said = callback(chargeback, Behaviour(chargeback_amount=form, dispute_labels=True), book)
    assert (said["transactionType"], said["chargebackData"]["amount"]) == ("DISPUTE", told)
    assert said["chargebackData"]["originalUuid"] == debit.uuid
    assert callback(chargeback, Behaviour(), book)["transactionType"] == "CHARGEBACK"

    older, newer = callback(declined, Behaviour(naming="errorCode"), book), callback(declined, Behaviour(naming="code"), book)
    assert (older["errorCode"], newer["code"], older["merchantMetaData"]) == (2003, "2003", "a=b")
    assert "code" not in older
    assert "errorCode" not in newer


def test_two_runs_from_one_seed_share_no_ids(clock: Clock) -> None:
    uuids = []
    for _ in range(2):
        uuids.append(Book(clock=clock, seed=1).submit("cards", asked(Kind.DEBIT, "ord-1")).uuid)
        clock.now += timedelta(seconds=1)

    assert uuids[0] != uuids[1]

"""What Prodamus' notifications say, in our words: whose payment, how much, for what; and what is not ours or cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from services.payments.domain.facts import Closed, Fact, Irrelevant, Paid
from services.payments.domain.payments import Mismatch, Moved, Status, settle
from services.payments.providers.base import ProviderEvent
from services.payments.providers.prodamus.events import SOMETHING_ELSE, read_event
from shared.delivery.errors import Permanent
from shared.money import Money
from tests.emulators.prodamus.php import tree_of, write_query
from tests.unit.prodamus_payments import NOW, SESSION, an_order
from tests.unit.prodamus_vectors import NOTIFICATION

URLENCODED = {"content-type": "application/x-www-form-urlencoded", "sign": "verified by the gateway"}
LINE = {"name": an_order().title, "price": "21.00", "quantity": "1", "sum": "21.00"}
# Vector C of the signature, of a session of ours and of the one product that we ask for.
OURS: dict[str, Any] = NOTIFICATION | {"order_num": str(SESSION), "products": [LINE]}
TOLD_AT = datetime(2026, 11, 20, 9, 31, 1, tzinfo=UTC)


def event(**changes: Any) -> ProviderEvent:
    """A change to None leaves the field out."""
    told = {name: value for name, value in (OURS | changes).items() if value is not None}
    return read_event(URLENCODED, write_query(tree_of(told)).encode(), NOW)


def fact(**changes: Any) -> Fact:
    return event(**changes).fact


def paid(**changes: Any) -> Paid:
    told = fact(**changes)
    assert isinstance(told, Paid), told
    return told


def test_a_success_is_money_for_our_session_under_the_pages_own_order() -> None:
    told = event()
    assert told.event_id == "300155:success"
    assert told.fact == Paid(SESSION, "300155", Money(2_100, "rub"), TOLD_AT, an_order().title)
    decision = settle(an_order(), told.fact)
    assert isinstance(decision, Moved)
    assert (decision.payment.status, decision.payment.credit_reference) == (Status.COMPLETED, "prodamus:300155")


def test_multipart_is_read_as_well() -> None:
    fields = [("order_num", str(SESSION)), ("order_id", "7"), ("payment_status", "success"), ("sum", "21.00"), ("products[0][name]", "х")]
    parts = [f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    told = read_event({"content-type": 'multipart/form-data; boundary="edge"'}, ("".join(parts) + "--edge--\r\n").encode(), NOW)
    assert told == ProviderEvent("7:success", Paid(SESSION, "7", Money(2_100, "rub"), NOW, SOMETHING_ELSE))


def test_the_status_counts_and_not_its_case_nor_the_attempt() -> None:
    assert event(payment_status="Success", attempt="2", date=None).event_id == event().event_id
    assert isinstance(fact(payment_status="SUCCESS"), Paid)
    assert event(payment_status="order_denied").event_id == "300155:order_denied", "a denied order may be paid yet"


def test_what_the_payer_did_not_pay() -> None:
    assert fact(payment_status="order_canceled") == Closed(SESSION, TOLD_AT)
    assert fact(payment_status="Order_Denied") == Irrelevant("attempt declined"), "the link can still be paid"


@pytest.mark.parametrize("status", ["refunded", "order_refunded", "hold", "3"])
def test_a_status_that_nobody_knows_is_kept_and_somebody_is_called(status: str) -> None:
    with capture_logs() as lines:
        told = event(payment_status=status)
    assert told == ProviderEvent(f"300155:{status}", Irrelevant(f"status {status}"))
    assert [(line["log_level"], line["status"], line["order_id"]) for line in lines] == [("error", status, "300155")]


@pytest.mark.parametrize(
    "order_num",
    ["ord-42", "", None, "1", str(SESSION).upper(), SESSION.hex, f"{{{SESSION}}}", f"urn:uuid:{SESSION}", f" {SESSION}", "x" * 900],
)
def test_what_carries_no_reference_of_ours_is_somebody_elses(order_num: str | None) -> None:
    assert fact(order_num=order_num) == Irrelevant("no order of ours")


def test_a_session_that_we_never_had_is_decided_by_who_has_the_book() -> None:
    stranger = UUID("0199d3a2-0000-7000-8000-000000000000")
    assert settle(None, paid(order_num=str(stranger))) == Mismatch("unknown_reference")


def test_subscriptions_are_not_ours_and_never_stand_in_the_way_of_a_payments_event() -> None:
    told = event(subscription={"type": "action", "action_code": "auto_payment", "id": "7"})
    other = event(subscription={"type": "notification", "id": "7"}, payment_status=None)
    again = event(subscription={"type": "action", "action_code": "auto_payment", "id": "7"}, attempt="2")
    assert told.fact == other.fact == Irrelevant("a subscription's")
    assert told == again
    assert len({told.event_id, other.event_id, event().event_id}) == 3


# ---- how much


@pytest.mark.parametrize(
    ("text", "amount_minor"),
    [("21", 2_100), ("21.0", 2_100), ("21.00", 2_100), ("21.000", 2_100), ("0.01", 1), ("10000000000000.00", 10**15)],
)
def test_a_sum_is_exact_however_many_decimals_it_has(text: str, amount_minor: int) -> None:
    assert paid(sum=text).money == Money(amount_minor, "rub")


@pytest.mark.parametrize("text", ["21.005", "21,00", "2.1e1", "-21.00", "0", "0.00", "", " 21.00", "NaN", "٢١", "10000000000000.01", None])
def test_a_sum_that_is_not_exact_is_not_read(text: str | None) -> None:
    with pytest.raises(Permanent):
        event(sum=text)


@pytest.mark.parametrize(("told", "currency"), [("rub", "rub"), ("RUB", "rub"), ("usd", "usd"), ("kzt", "kzt"), (None, "rub"), ("", "rub")])
def test_a_currency_that_is_left_out_is_the_pages_own(told: str | None, currency: str) -> None:
    assert paid(currency=told).money == Money(2_100, currency)


def test_a_currency_that_is_none_is_not_read_and_another_one_is_a_mismatch() -> None:
    assert settle(an_order(), paid(currency="byn")) == Mismatch("currency_mismatch")
    for unknown in ("rur", "рубли", "x" * 65):
        with pytest.raises(Permanent):
            event(currency=unknown)


# ---- for what


@pytest.mark.parametrize(
    "products",
    [
        [LINE],
        {"3": LINE},
        [LINE | {"quantity": "1.0"}],
        [LINE | {"quantity": "1.00", "price": "21.0"}],
        [{"name": LINE["name"], "price": "21", "quantity": "1", "sku": "x", "tax": {"tax_type": "0"}}],
    ],
)
def test_one_piece_of_one_product_at_the_sum_is_named(products: Any) -> None:
    assert paid(products=products).title == an_order().title


@pytest.mark.parametrize(
    "products",
    [
        [LINE, LINE],
        [LINE | {"quantity": "2"}],
        [LINE | {"quantity": "0.5"}],
        [LINE | {"quantity": "1.000001"}],
        [LINE | {"quantity": "11"}],
        [LINE | {"price": "42.00"}],
        [LINE | {"price": "21.00 "}],
        [{"name": LINE["name"], "price": "21.00"}],
        [{"price": "21.00", "quantity": "1"}],
        [LINE | {"name": {"0": "x"}}],
        LINE,
        ["text"],
        "text",
        [LINE | {"name": "Another product"}],
        [LINE | {"name": SOMETHING_ELSE}],
    ],
)
def test_anything_else_that_was_paid_for_is_kept_apart(products: Any) -> None:
    """An unsigned link, or one of another shop's, may name our session: its sum proves nothing alone."""
    assert settle(an_order(), paid(products=products)) == Mismatch("something_else_paid")


def test_where_the_page_does_not_tell_what_was_paid_for_the_sum_decides() -> None:
    assert paid(products=None).title is None
    assert paid(products="").title is None
    assert isinstance(settle(an_order(), paid(products=None)), Moved)


def test_a_tampered_price_is_less_than_was_asked_for() -> None:
    assert settle(an_order(), paid(sum="1.00", products=[LINE | {"price": "1.00", "sum": "1.00"}])) == Mismatch("less_than_asked")


# ---- when, and what cannot be read


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "2026-11-20T12:31:01", "0001-01-01T00:00:00+03:00", "2026-11-20 12:31", "9" * 900, ["x"]]
)
def test_a_date_that_cannot_be_read_is_that_of_the_receipt(date: Any) -> None:
    assert paid(date=date).happened_at == NOW


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": None},
        {"order_id": ""},
        {"order_id": "x" * 65},
        {"order_id": "30 0155"},
        {"order_id": "300155\n"},
        {"order_id": ["300155"]},
        {"payment_status": None},
        {"payment_status": "успех"},
        {"payment_status": "success\n"},
        {"payment_status": "x" * 65},
        {"order_num": [str(SESSION)]},
        {"order_num": "x" * 2_000},
    ],
)
def test_what_is_no_notification_is_for_good(changes: dict[str, Any]) -> None:
    with pytest.raises(Permanent):
        event(**changes)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"order_id=1"),
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "multipart/form-data"}, b"order_id=1"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\n"),
        (URLENCODED, b"order_id=%ff"),
        (URLENCODED, b""),
        (URLENCODED, b"do=pay&order_id=1&products[0][name]=x"),
    ],
)
def test_a_body_that_is_no_form_of_a_notification_is_for_good(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Permanent):
        read_event(headers, body, NOW)

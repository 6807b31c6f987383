"""The Prodamus stand-in's book: which links a page takes, what each of them allows, and what the merchant is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.emulators.prodamus.book import Book, Order, Page, PaymentRefused, UnknownReference
from tests.emulators.prodamus.emulator import RETRY_SECONDS
from tests.emulators.prodamus.links import MOSCOW, LinkRefused
from tests.emulators.prodamus.notices import Notice, Told, Variant, fields_of, request_of
from tests.emulators.prodamus.php import Tree, read_query, tree_of
from tests.emulators.prodamus.signing import is_signed, sign
from tests.unit.prodamus_vectors import LINK, NOTIFICATION, ONE, VECTORS

KEY = "key"
PAGE = Page("shop", KEY)
NOW = datetime(2026, 11, 20, 12, 31, 1, tzinfo=MOSCOW)


class World:
    """A page, its book, and links with fresh codes."""

    def __init__(self, page: Page = PAGE) -> None:
        self.book = Book((page, Page("academy", "other")))
        self.page = page
        self._codes = iter(range(1_000_000))

    def open(self, **changes: Any) -> Any:
        return self.book.open(self.page, tree_of(LINK | changes), f"code{next(self._codes)}")

    def pay(self, **changes: Any) -> Order:
        return self.book.decide(self.open(**changes), "success", NOW)


def test_a_link_of_do_pay_is_one_link_and_each_of_do_link_is_its_own() -> None:
    world = World()
    assert world.open() is world.open()
    assert world.open(order_id="other") is not world.open()
    first, second = world.open(do="link", payments_limit="1"), world.open(do="link", payments_limit="1")
    assert first is not second
    # One order, two links with a limit of one: both can be paid, and are two orders of the vendor's.
    orders = [world.book.decide(link, "success", NOW) for link in (first, second)]
    assert [order.request.order_num for order in orders] == ["ord-42", "ord-42"]
    assert orders[0].order_id != orders[1].order_id
    assert [charge.reference for charge in world.book.charges()] == ["ord-42", "ord-42"]
    with pytest.raises(PaymentRefused):
        world.book.decide(first, "success", NOW)


def test_without_a_limit_a_link_is_paid_as_often_as_somebody_pays() -> None:
    world = World()
    assert len({world.pay().order_id for _ in range(3)}) == 3


def test_a_link_expires_by_moscow_s_clock() -> None:
    world = World()
    for told in ("20.11.2026 12:32", "2026-11-20 12:32"):
        link = world.open(link_expired=told)
        assert not world.book.refusal(link, NOW)
        assert world.book.refusal(link, NOW + timedelta(seconds=59))
        with pytest.raises(PaymentRefused):
            world.book.decide(link, "success", NOW + timedelta(minutes=1))


@pytest.mark.parametrize("told", [{"signature": "0" * 64}, {"signature": ["a"]}, {"signature": ""}])
def test_a_signed_link_with_anything_changed_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(LinkRefused, match="signature"):
        World().open(**told)


def test_a_link_may_go_unsigned_unless_the_page_refuses_that() -> None:
    signature = sign(tree_of(LINK), KEY)
    strict = World(Page("shop", KEY, refuses_unsigned=True))
    with pytest.raises(LinkRefused, match="signature"):
        strict.open()
    assert strict.open(signature=signature.upper()).request.sum == 21
    with pytest.raises(LinkRefused, match="signature"):
        strict.open(signature=signature, currency="usd")
    assert World().open().request.sum == 21


def test_a_page_that_is_not_live_yet_has_the_demo_key() -> None:
    world = World(Page("shop", KEY, is_live=False))
    assert world.open(signature=sign(tree_of(LINK), KEY + "demo"))
    with pytest.raises(LinkRefused, match="signature"):
        world.open(signature=sign(tree_of(LINK), KEY))


@pytest.mark.parametrize(
    "changes",
    [
        {"do": "refund"},
        {"products": "none"},
        {"products": []},
        {"products": [{"name": "x", "quantity": "1"}]},
        {"products": [{"name": "", "price": "1.00", "quantity": "1"}]},
        {"products": [ONE | {"price": "1,00"}]},
        {"products": [ONE | {"price": "1e3"}]},
        {"products": [ONE | {"price": "0.001"}]},
        {"products": [ONE | {"price": "-1.00"}]},
        {"products": [ONE | {"quantity": "0"}]},
        {"products": [ONE | {"price": "0.00"}]},
        {"currency": "RUB"},
        {"currency": "rsd"},
        {"order_sum": "20.00"},
        {"discount_value": "21.00"},
        {"payments_limit": "0"},
        {"link_expired": "tomorrow"},
        {"urlSuccess": "javascript:alert(1)"},
        {"order_id": ["a"]},
        {"subscription": "1"},
        {"callbackType": "json"},
    ],
)
def test_a_link_that_cannot_be_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LinkRefused):
        World().open(**changes)


def test_a_declined_order_keeps_its_number_when_it_is_paid_after_all() -> None:
    world = World()
    link = world.open()
    denied = world.book.decide(link, "order_denied", NOW).order_id
    assert world.book.decide(link, "success", NOW).order_id == denied
    assert [charge.status for charge in world.book.charges()] == ["success"]
    # A page can be set to count each try for itself; the order before stays declined.
    other = World(Page("shop", KEY, new_order_for_each_try=True))
    link = other.open()
    assert other.book.decide(link, "order_denied", NOW) is not other.book.decide(link, "success", NOW)
    assert [order.status for order in other.book.orders()] == ["order_denied", "success"]


def test_without_a_phone_nothing_is_paid() -> None:
    world = World()
    link = world.open(customer_phone="")
    with pytest.raises(PaymentRefused, match="phone"):
        world.book.decide(link, "success", NOW)
    assert world.book.decide(link, "order_canceled", NOW).status == "order_canceled"
    assert not world.open(customer_phone="call me").phone
    assert world.open(customer_phone="+7 (999) 000-00-00").phone == "+79990000000"


def test_a_demo_that_is_to_fail_is_declined_and_only_a_demo_is() -> None:
    assert World().pay(demo_mode="1").status == "success"
    assert World().pay(demo_mode="1", demoFlow="reject").status == "order_denied"
    assert World().pay(demoFlow="reject").status == "success"


def test_no_more_goes_back_than_was_paid() -> None:
    world = World()
    charge = world.pay().order_id
    assert world.book.refund(charge, "20.99").amount == "20.99"
    for too_much in ("0.02", "0.00", "-1.00", "1.001"):
        with pytest.raises(ValueError, match=r"left|given back|amount"):
            world.book.refund(charge, too_much)
    assert world.book.refund(charge, None).amount == "0.01"
    assert world.book.charges()[0].refunded == "21.00"
    with pytest.raises(UnknownReference):
        world.book.refund("1", None)


EVERYTHING_OF_C = {name: value for name, value in tree_of(NOTIFICATION).items() if name != "attempt"}


def test_a_notification_has_the_fields_of_the_sheet_s_and_their_signature() -> None:
    order = World().pay(customer_extra="тест", _param_from="letter", utm_source="x", unknown="y")
    fields = fields_of(order, order.status)
    assert fields == EVERYTHING_OF_C | {"payment_init": "manual", "_param_from": "letter", "utm_source": "x"}
    # With exactly the fields of vector C it has exactly its signature.
    exact: Tree = {name: value for name, value in fields.items() if name in NOTIFICATION}
    headers, _ = request_of(notice(exact, key="test"), 1, "b", forged=False)
    assert headers["Sign"] == VECTORS["C"][1]


def notice(fields: Tree, *, key: str = KEY, variant: Variant = "plain") -> Notice:
    return Notice("1", "300155", "http://localhost", fields, key, "urlencoded", variant, Told())


def test_each_attempt_differs_in_body_and_signature() -> None:
    told = [request_of(notice({"a": "b"}), number, "b", forged=False) for number in (1, 2)]
    assert [body for _, body in told] == [b"a=b&attempt=1", b"a=b&attempt=2"]
    assert told[0][0]["Sign"] != told[1][0]["Sign"]
    for headers, body in told:
        assert is_signed(read_query(body), headers["Sign"], KEY)


def test_a_resend_by_hand_counts_on() -> None:
    told = Told()
    # Two copies of one delivery are alike; what the cabinet sends again is not.
    assert [told.number(n) for n in (1, 1, 2)] == [1, 1, 2]
    told.resent()
    assert [told.number(n) for n in (1, 2)] == [3, 4]


def test_the_odd_signatures_are_what_their_names_say() -> None:
    fields: Tree = {"a": "b", "attempt": "1"}
    right = sign(fields, KEY)

    def told(variant: Variant, *, forged: bool = False) -> str | None:
        return request_of(notice({"a": "b"}, variant=variant), 1, "b", forged=forged)[0].get("Sign")

    assert told("plain") == right
    assert told("upper_case_hex") == right.upper() != right
    assert told("missing_header") is None
    assert told("wrong_signature") not in (None, right)
    assert told("plain", forged=True) not in (None, right)


def test_the_retry_table_has_its_23_steps_of_68_hours_together() -> None:
    assert len(RETRY_SECONDS) == 23
    assert RETRY_SECONDS[:4] == (60, 60, 60, 300)
    assert RETRY_SECONDS[-2:] == (12 * 3600, 24 * 3600)
    assert 68 <= sum(RETRY_SECONDS) / 3600 < 69

"""What the Prodamus stand-in tells the merchant: each attempt anew, until 200, disturbed on demand; and its controls over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.prodamus_world import Stages, World, both_stages, playing
from tests.emulators.prodamus import DEFAULT_PAGE


@pytest.fixture(scope="module")
async def stages() -> AsyncIterator[Stages]:
    async with both_stages() as stages:
        yield stages


@pytest.fixture
async def world(stages: Stages) -> AsyncIterator[World]:
    async with playing(stages) as world:
        yield world


async def test_it_is_told_again_until_200_and_every_attempt_differs(world: World) -> None:
    world.merchant.answers = [500, 204, 302, 0, 400]
    await world.open()
    await world.prodamus.control.pay("ord-42")
    told = await world.told()
    assert [came.fields["attempt"] for came in told] == ["1", "2", "3", "4", "5", "6"]
    assert len({came.body for came in told}) == len({came.sign for came in told}) == 6
    assert all(came.is_signed(DEFAULT_PAGE.key) for came in told)
    assert len({(came.fields["order_id"], came.fields["date"]) for came in told}) == 1
    assert world.merchant.elsewhere == 0, "a redirect is not followed"


async def test_after_the_table_s_end_only_a_resend_by_hand_is_left(world: World) -> None:
    world.merchant.answers = [500] * 24
    await world.open()
    charge = (await world.prodamus.control.pay("ord-42")).charge
    assert len(await world.told()) == 24, "once, and 23 times again"
    await world.prodamus.control.resend(charge)
    told = await world.told()
    assert [came.fields["attempt"] for came in told[22:]] == ["23", "24", "25"]
    with pytest.raises(LookupError):
        await world.prodamus.control.resend("1")


async def test_every_address_of_the_cabinet_has_deliveries_of_its_own(world: World) -> None:
    urls = [world.merchant.base_url + path for path in ("/hook/1", "/hook/2", "/hook/1")]
    await world.control("set_page", {"page": "shop", "notification_urls": urls})
    await world.open()
    world.merchant.answers = [500]
    charge = (await world.prodamus.control.pay("ord-42")).charge
    attempts = sorted(f"{came.path} {came.fields['attempt']}" for came in await world.told())
    assert attempts in (["/hook/1 1", "/hook/1 2", "/hook/2 1"], ["/hook/1 1", "/hook/2 1", "/hook/2 2"])
    assert len(await world.prodamus.control.resend(charge)) == 2


async def test_an_urlencoded_notification_says_and_signs_the_same(world: World) -> None:
    # Unsigned: what a signature over a name with a dot would be made over is not what PHP sees.
    passed_through = {"_param_a.b": "x", "utm_source": "letter", "vk_user_id": "7"}
    await world.open(signed=False, customer_extra="a+b & ц", discount_value="1.00", **passed_through)
    charge = (await world.prodamus.control.pay("ord-42")).charge
    await world.told()
    await world.control("set_page", {"page": "shop", "encoding": "urlencoded"})
    await world.prodamus.control.tell(charge)
    multipart, urlencoded = await world.told()
    assert urlencoded.content_type == "application/x-www-form-urlencoded"
    assert urlencoded.fields == multipart.fields
    assert urlencoded.sign == multipart.sign
    assert multipart.fields["customer_extra"] == "a+b & ц"
    assert multipart.fields["_param_a_b"] == "x"
    assert (multipart.fields["sum"], multipart.fields["discount_value"], multipart.fields["commission_sum"]) == ("20.00", "1.00", "0.70")


async def test_duplicates_and_disorder(world: World) -> None:
    world.prodamus.deliveries.switches.duplicate = 1
    await world.open("twice")
    await world.prodamus.control.pay("twice")
    first, second = await world.told()
    assert (first.fields, first.sign) == (second.fields, second.sign)

    world.merchant.came.clear()
    world.prodamus.deliveries.off()
    world.prodamus.deliveries.switches.reorder = 2
    await world.open("late")
    await world.prodamus.control.decline("late")
    await world.prodamus.control.pay("late")
    assert [came.told[1] for came in await world.told()] == ["success", "order_denied"]


async def test_what_is_dropped_comes_only_by_hand(world: World) -> None:
    world.prodamus.deliveries.switches.drop = True
    await world.open()
    charge = (await world.prodamus.control.pay("ord-42")).charge
    assert await world.told() == []
    world.prodamus.deliveries.off()
    await world.prodamus.control.resend(charge)
    assert [came.told for came in await world.told()] == [("ord-42", "success", "1")]


async def test_forged_first_attempts_are_followed_by_a_true_one(world: World) -> None:
    world.prodamus.deliveries.switches.forged = 1
    world.merchant.answers = [400]
    await world.open()
    await world.prodamus.control.pay("ord-42")
    assert [came.is_signed(DEFAULT_PAGE.key) for came in await world.told()] == [False, True]


async def test_the_odd_deliveries_on_demand(world: World) -> None:
    await world.open()
    charge = (await world.prodamus.control.pay("ord-42")).charge
    await world.told()
    for variant in ("wrong_signature", "missing_header", "upper_case_hex", "demo_key"):
        world.merchant.came.clear()
        assert (await world.control("tell", {"charge": charge, "variant": variant})).status_code == 200
        [came] = await world.told()
        by_name = {
            "wrong_signature": came.sign is not None and not came.is_signed(DEFAULT_PAGE.key),
            "missing_header": came.sign is None,
            "upper_case_hex": came.is_signed(DEFAULT_PAGE.key) and came.sign != (came.sign or "").lower(),
            "demo_key": came.is_signed(DEFAULT_PAGE.key + "demo") and not came.is_signed(DEFAULT_PAGE.key),
        }
        assert by_name[variant], variant
    assert (await world.control("tell", {"charge": charge, "variant": "blue"})).status_code == 400


async def test_any_status_any_text_or_none(world: World) -> None:
    await world.open()
    charge = (await world.prodamus.control.pay("ord-42")).charge
    await world.prodamus.control.tell(charge, "order_refunded")
    await world.prodamus.control.tell(charge, "SUCCESS", values={"sum": "0.01", "brand_new": "x"}, without=["currency"])
    told = {str(came.fields["payment_status"]): came for came in await world.told()}
    assert told.keys() == {"success", "order_refunded", "SUCCESS"}
    odd = told["SUCCESS"].fields
    assert (odd["sum"], odd["brand_new"], "currency" in odd) == ("0.01", "x", False)
    assert all(came.is_signed(DEFAULT_PAGE.key) for came in told.values())
    assert world.prodamus.control.charges()[0].amount == "21.00", "the book is not moved by what is said"


async def test_a_page_that_is_not_live_signs_with_the_demo_key(world: World) -> None:
    await world.control("set_page", {"page": "shop", "is_live": False})
    await world.open()
    await world.prodamus.control.pay("ord-42")
    [came] = await world.told()
    assert came.is_signed(DEFAULT_PAGE.key + "demo")
    assert not came.is_signed(DEFAULT_PAGE.key)


async def test_a_cancel_is_told_unless_the_page_keeps_it_to_itself(world: World) -> None:
    await world.control("set_page", {"page": "shop", "tells_cancel": False})
    await world.open()
    await world.prodamus.control.cancel("ord-42")
    await world.prodamus.control.close("ord-42")
    assert await world.told() == []
    assert [order.status for order in world.prodamus.control.orders()] == ["order_canceled"]


async def test_a_refund_in_the_cabinet_moves_the_book_and_tells_nobody(world: World) -> None:
    await world.open()
    charge = (await world.prodamus.control.pay("ord-42")).charge
    await world.told()
    refund = await world.control("refund_elsewhere", {"charge": charge, "amount": "5.00"})
    assert refund.json()["result"] | {"refund": ""} == {"refund": "", "charge": charge, "amount": "5.00", "currency": "rub"}
    assert (await world.control("refund_elsewhere", {"charge": charge, "amount": "16.01"})).status_code == 400
    await world.prodamus.control.refund_elsewhere(charge)
    book = (await world.browser.get(world.prodamus.base_url + "/_emulator/book")).json()
    assert [refund["amount"] for refund in book["refunds"]] == ["5.00", "16.00"]
    assert (book["charges"][0]["refunded"], book["disputes"], book["payouts"]) == ("21.00", [], [])
    assert len(await world.told()) == 1


async def test_the_controls_over_http_are_those_of_the_tests(world: World) -> None:
    async def result(name: str, **arguments: Any) -> Any:
        answer = await world.control(name, arguments)
        return answer.json().get("result") if answer.status_code == 200 else answer.status_code

    assert await result("pay", reference="ord-42") == 400, "nobody has opened a link of it"
    assert await result("visit", url=world.link()) == "ord-42"
    assert await result("visit", url=await world.short("short")) == "short"
    assert await result("visit", url=world.link().replace("21", "22").replace("10.50", "1.50")) == 400
    assert (await result("decline", reference="ord-42"))["status"] == "order_denied"
    paid = await result("pay", reference="ord-42")
    assert (paid["reference"], paid["amount"], paid["currency"], paid["status"]) == ("ord-42", "21.00", "rub", "success")
    assert await result("pay", reference="ord-42") == 400, "its limit is one"
    again = await result("pay_again", reference="ord-42")
    assert again["charge"] != paid["charge"]
    assert [charge["charge"] for charge in await result("charges")] == [paid["charge"], again["charge"]]
    assert await result("set_page", page="shop", key="mine") == 400
    assert await result("set_page", page="shop", encoding="json") == 400
    assert await result("steal") == 404
    by_a_form = await world.browser.post(world.prodamus.base_url + "/_emulator/control/pay", data={"reference": "short"})
    assert by_a_form.status_code == 400, "not by a page of another site"

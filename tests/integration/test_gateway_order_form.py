"""The order form over the real broker: what it shows and keeps, what it says is wrong, and that one rendering of it makes one order."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest

from services.gateway.guests import guest_callers
from services.gateway.pages.order_form import WRONG
from shared.contracts.base import new_id, utc_now
from shared.contracts.checkout import AmountLimits, ListMethods, MethodsView
from shared.contracts.orders import CreateOrder, GetInterpretation, GetOrder
from shared.contracts.payment_commands import CommandReply, FieldProblem, Refused
from shared.keys import Keys
from tests.integration.gateway_world import SECRET, gateway_world, method_view, refused, token
from tests.integration.pages_world import SCRIPT, SESSION, assert_nothing_inline, order_view
from tests.integration.pages_world import running as running
from tests.integration.shop_world import ALL_AT_FIVE, CONTACT, Shop, as_rendered, told
from tests.integration.shop_world import shop as shop


async def test_what_is_sold_is_shown_with_its_price_and_everything_at_its_middle(shop: Shop) -> None:
    page = await shop.form("/en/orders/chakras")

    assert page.status_code == 200
    assert_nothing_inline(page.text)
    assert "&lt;script&gt;" in page.text
    assert "RSD\u00a0990.00" in page.text or "990.00" in page.text
    fields = as_rendered(page)
    assert fields.keys() - {"csrf_token", "idempotency_key"} == {
        "email", "phone", "birth_date", "method", *(point["chakra"] for point in ALL_AT_FIVE), *(f"with_{p['chakra']}" for p in ALL_AT_FIVE)
    }  # fmt: skip
    assert {fields[str(point["chakra"])] for point in ALL_AT_FIVE} == {"5"}
    assert fields["method"] == "mock"
    assert f'max="{utc_now().date()}"' in page.text
    for attribute in ('autocomplete="bday"', 'autocomplete="email"', 'inputmode="email"', 'autocomplete="tel"', 'inputmode="tel"'):
        assert attribute in page.text
    assert "balance" not in re.findall(r'name="method" value="([^"]*)"', page.text), "what pays for no orders is not offered"


async def test_a_guest_orders_and_goes_on_to_the_payment(shop: Shop) -> None:
    fields = as_rendered(await shop.form())
    del fields["with_vishuddha"]
    answer = await shop.send(fields | CONTACT | {"ajna": "10", "muladhara": "0", "birth_date": "1990-05-17"})

    assert (answer.status_code, answer.headers["location"]) == (303, f"/payment/mock?session_id={SESSION}")
    (command,) = shop.asked
    assert (command.user_id, command.product, command.locale, command.method) == (None, "chakras", "sr", "mock")
    assert (command.email, command.phone, command.birth_date) == ("Ana@example.rs", None, date(1990, 5, 17))
    assert command.idempotency.caller == guest_callers(Keys((SECRET,)), "ana@example.rs", None)[0], "the same guest as over the API"
    values = {point["chakra"]: point["value"] for point in command.points}  # type: ignore[union-attr, index, call-overload]
    assert values == {"muladhara": 0, "svadhisthana": 5, "manipura": 5, "anahata": 5, "ajna": 10, "sahasrara": 5}


async def test_sent_again_it_is_one_order_and_changed_it_is_another(shop: Shop) -> None:
    fields = as_rendered(await shop.form()) | CONTACT
    twice = [await shop.send(fields), await shop.send(fields)]
    back = await shop.send(as_rendered(await shop.form()) | CONTACT)
    changed = await shop.send(fields | {"ajna": "1"})
    shop.world.http.cookies.clear()
    elsewhere = await shop.send(as_rendered(await shop.form()) | CONTACT)

    assert {answer.status_code for answer in (*twice, back, changed, elsewhere)} == {303}
    first, again, from_back, other, of_another_browser = shop.asked
    assert first.idempotency == again.idempotency == from_back.idempotency, "the back button asks for the form anew"
    assert first.order_id == again.order_id == from_back.order_id
    assert len({first.order_id, other.order_id, of_another_browser.order_id}) == len(shop.orders) == 3
    assert twice[1].headers["location"] == f"/sr/orders/{first.order_id}/pay", "which knows what has become of it since"


async def test_once_it_is_paid_the_same_wish_is_another_order(shop: Shop) -> None:
    async def paid(query: GetOrder) -> Any:
        return order_view(order_id=query.order_id, status="paid", payment_status="completed")

    async def nothing(query: GetInterpretation) -> Any:
        return refused("interpretation_not_found", query)

    shop.world.stand_ins.answers |= {GetOrder: paid, GetInterpretation: nothing}
    await shop.send(as_rendered(await shop.form()) | CONTACT)
    cookie = next(one for one in shop.world.http.cookies.jar if one.name == "purser_order_form")
    assert (cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (True, "lax")
    assert (await shop.form(f"/sr/orders/{shop.asked[0].order_id}/success")).status_code == 200
    await shop.send(as_rendered(await shop.form()) | CONTACT)

    assert len({command.order_id for command in shop.asked}) == 2


async def test_whoever_is_logged_in_orders_as_themselves_and_their_address_is_there(shop: Shop) -> None:
    cookie = {"Cookie": f"purser_session={token('7')}"}
    fields = as_rendered(await shop.form(**cookie))
    assert fields["email"] == "a@b.rs"
    answer = await shop.send(fields, **cookie)

    assert answer.status_code == 303, answer.text
    (command,) = shop.asked
    assert (command.user_id, command.idempotency.caller) == ("7", "user:7")


@pytest.mark.parametrize(
    ("change", "field", "wrong"),
    [
        ({"email": ""}, "email", "contact"),
        ({"email": "  ", "phone": " "}, "email", "contact"),
        ({"email": "ana"}, "email", "email"),
        ({"email": "ana@localhost"}, "email", "email"),
        ({"phone": "call me"}, "phone", "phone"),
        ({"phone": "1234"}, "phone", "phone"),
        ({"birth_date": "1899-12-31"}, "birth_date", "birth_date"),
        ({"birth_date": str(utc_now().date() + timedelta(days=2))}, "birth_date", "birth_date"),
        ({"birth_date": "1990-02-30"}, "birth_date", "birth_date"),
        ({"ajna": "11"}, "points", "points"),
        ({"ajna": "-1"}, "points", "points"),
        ({"ajna": "5.5"}, "points", "points"),
        ({"ajna": ""}, "points", "points"),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_lost(
    shop: Shop, change: dict[str, str], field: str, wrong: str
) -> None:
    fields = as_rendered(await shop.form("/en/orders/chakras")) | CONTACT | {"sahasrara": "9"} | change
    answer = await shop.send(fields, "/en/orders/chakras")

    assert answer.status_code == 422
    assert told(answer) == {field: WRONG[wrong]}
    assert f'<a href="#{field}">' in answer.text, "and in the summary, which leads there"
    assert unescape(answer.text).count(f'="{WRONG[wrong]}"') == 1, "the script says the same"
    again = as_rendered(answer)
    assert {name: again[name] for name in fields if name != "csrf_token"} == {name: fields[name] for name in fields if name != "csrf_token"}
    assert shop.asked == []


async def test_a_point_that_is_left_out_stays_left_out_and_one_has_to_be_there(shop: Shop) -> None:
    fields = as_rendered(await shop.form("/en/orders/chakras")) | CONTACT
    without = {name: value for name, value in fields.items() if not name.startswith("with_")}
    answer = await shop.send(without, "/en/orders/chakras")

    assert (answer.status_code, told(answer)) == (422, {"points": WRONG["points"]})
    assert not [name for name in as_rendered(answer) if name.startswith("with_")]
    assert (await shop.send(as_rendered(answer) | CONTACT | {"with_ajna": "1"}, "/en/orders/chakras")).status_code == 303
    assert shop.asked[0].points == [{"chakra": "ajna", "value": 5}]


async def test_markup_that_somebody_enters_is_shown_as_they_wrote_it(shop: Shop) -> None:
    answer = await shop.send(as_rendered(await shop.form()) | {"email": f'"><{SCRIPT}', "ajna": '"><b>', "with_ajna": "1"})

    assert answer.status_code == 422
    assert_nothing_inline(answer.text)
    assert "<b>" not in answer.text


async def test_what_payments_finds_wrong_is_told_as_if_the_form_had_found_it(shop: Shop) -> None:
    async def judge(command: CreateOrder) -> Any:
        problems = (
            FieldProblem(loc=("body", "birth_date"), msg="must be earlier"),
            FieldProblem(loc=("body", "points", 0, "value"), msg="is bad"),
        )
        refusal = Refused(code="invalid_request", detail="not valid", errors=problems, request_id=command.correlation_id)
        return CommandReply(answer=refusal)

    shop.world.stand_ins.answers[CreateOrder] = judge
    answer = await shop.send(as_rendered(await shop.form("/en/orders/chakras")) | CONTACT, "/en/orders/chakras")

    assert (answer.status_code, told(answer)) == (422, {name: WRONG[name] for name in ("birth_date", "points")})


async def test_after_a_refusal_the_form_is_there_again_under_another_key(shop: Shop) -> None:
    async def away(command: CreateOrder) -> Any:
        return CommandReply(answer=refused("provider_unavailable", command))

    shop.world.stand_ins.answers[CreateOrder] = away
    fields = as_rendered(await shop.form("/en/orders/chakras")) | CONTACT
    answer = await shop.send(fields, "/en/orders/chakras")

    assert answer.status_code == 503
    assert "Nothing was charged" in answer.text
    again = as_rendered(answer)
    assert again["email"] == "Ana@example.rs"
    assert again["idempotency_key"] != fields["idempotency_key"]


async def test_several_ways_to_pay_are_chosen_among_and_only_those_that_take_the_sum(amqp_url: str) -> None:
    async def several(_: ListMethods) -> MethodsView:
        small = AmountLimits(currency="rsd", minimum_minor=1, maximum_minor=98_999, step_minor=1)
        euros = AmountLimits(currency="eur", minimum_minor=1, maximum_minor=10**9, step_minor=1)
        names = ("stripe", "mock", "allsecure")
        return MethodsView(methods=(*(method_view(name) for name in names), method_view("prodamus", euros), method_view("small", small)))

    async with gateway_world(amqp_url) as fresh:
        fresh.stand_ins.answers |= {ListMethods: several}
        other = Shop(fresh)
        page = await other.form("/en/orders/chakras")
        assert re.findall(r'type="radio" name="method" value="([^"]*)"', page.text) == ["stripe", "mock", "allsecure"]
        fields = as_rendered(page) | CONTACT
        assert fields["method"] == "stripe"
        assert (await other.send(fields | {"method": "mock"}, "/en/orders/chakras")).status_code == 303
        forged = await other.send(fields | {"method": "prodamus"}, "/en/orders/chakras")
        assert (forged.status_code, told(forged)) == (422, {"method": WRONG["method"]})
        assert [command.method for command in other.asked] == ["mock"]


async def test_only_a_form_of_ours_is_taken(shop: Shop) -> None:
    fields = as_rendered(await shop.form()) | CONTACT
    shop.world.http.cookies.clear()
    of_another_browser = as_rendered(await shop.form())["csrf_token"]
    for change in ({"csrf_token": ""}, {"csrf_token": of_another_browser}, {"idempotency_key": "made-up"}):
        assert (await shop.send(fields | change)).status_code == 403, change
    assert (await shop.send({name: value for name, value in fields.items() if name != "idempotency_key"})).status_code == 422
    assert (await shop.send(fields, Origin="https://evil.example")).status_code == 403
    assert shop.asked == []


async def test_what_is_not_sold_is_a_page_that_says_so(shop: Shop) -> None:
    for path in ("/en/orders/mug", f"/en/orders/{'x' * 80}", "/de/orders/chakras", f"/en/orders/{new_id()}"):
        answer = await shop.form(path)
        assert answer.status_code == 404, path
        assert 'role="alert"' in answer.text


async def test_a_product_that_is_made_of_nothing_asks_for_no_more_than_whom_to_reach(shop: Shop) -> None:
    shop.made_by = None
    fields = as_rendered(await shop.form())
    assert fields.keys() == {"csrf_token", "idempotency_key", "email", "phone", "method"}
    await shop.send(fields | CONTACT)
    (command,) = shop.asked
    assert (command.points, command.birth_date) == (None, None)

"""Where a top-up leads and comes back to, over the real broker: only what is stored is told, only to its payer, and slow is not lost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from services.gateway import receipts
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import CommandReply, CreateDeposit
from shared.contracts.queries import GetPayment
from shared.keys import Keys
from tests.integration.deposit_page_world import FORM, SUCCESS, Payer, value_of
from tests.integration.gateway_world import SECRET, World, gateway_world, one_story, refused, silent
from tests.integration.pages_world import assert_nothing_inline

ONWARD = "/en/balance/deposit/onward"
ELSEWHERE = 'https://bank.example/pay?a=1&b="><script>'


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


@pytest.fixture
async def payer(running: World) -> AsyncIterator[Payer]:
    async with one_story(running) as story:
        yield Payer(story)


# ---- going on to pay


async def test_a_provider_elsewhere_is_led_to_by_a_page_of_ours(payer: Payer) -> None:
    payer.urls = ELSEWHERE
    sent = await payer.sends(await payer.opens(), amount="20", currency="eur", method="stripe")
    page = await payer.opens(sent.headers["location"] + "&url=https://evil.example/")
    strangers = await payer.opens(sent.headers["location"], user_id="3")

    assert (sent.status_code, sent.headers["location"]) == (303, f"{ONWARD}?payment_id={payer.newest}")
    assert page.status_code == 200
    (refresh,) = re.findall(r'<meta http-equiv="refresh" content="([^"]*)">', page.text)
    (link,) = re.findall(r'<a class="button[^"]*" href="([^"]*)"', page.text)
    assert (unescape(refresh), unescape(link)) == (f"0; url={ELSEWHERE}", ELSEWHERE)
    assert "evil.example" not in page.text.split("<footer")[0], "only the same page in another language keeps the query"
    assert_nothing_inline(page.text)
    assert (strangers.status_code, "bank.example" in strangers.text) == (404, False)


async def test_an_address_that_is_a_script_leads_nowhere(payer: Payer) -> None:
    payer.urls = "javascript:alert(1)"
    sent = await payer.sends(await payer.opens())
    page = await payer.opens(sent.headers["location"])
    assert page.status_code == 422
    assert "javascript:" not in page.text


@pytest.mark.parametrize("busy", [False, True], ids=["no answer", "the other click is being worked on"])
async def test_what_is_slow_is_waited_for_and_then_led_on_to(payer: Payer, busy: bool) -> None:
    async def in_use(command: CreateDeposit) -> Any:
        return CommandReply(answer=refused("idempotency_key_in_use", command))

    answers = payer.world.stand_ins.answers
    create, answers[CreateDeposit] = answers[CreateDeposit], in_use if busy else silent
    form = await payer.opens()
    sent = await payer.sends(form)
    waiting = await payer.opens(sent.headers["location"])
    answers[CreateDeposit] = create
    await payer.sends(form)
    payer.url_of[payer.newest] = None
    not_opened_yet = await payer.opens(sent.headers["location"])
    del payer.url_of[payer.newest]
    gone_on = await payer.opens(sent.headers["location"])

    assert sent.headers["location"].startswith(f"{ONWARD}?payment_id={payer.newest}&receipt=")
    for page in (waiting, not_opened_yet):
        assert page.status_code == 200
        assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page.text
        assert "nothing is charged twice" in page.text
    assert gone_on.headers["location"] == f"/payment/mock?session_id={payer.session_of(payer.newest)}"


async def test_what_never_arrived_is_told_and_what_nobody_sent_is_not_there(payer: Payer) -> None:
    payment_id = str(new_id())
    past = receipts.sign(Keys((SECRET,)), resource_id=payment_id, caller="user:1", deadline=utc_now() - timedelta(minutes=1))
    lost = await payer.opens(f"{ONWARD}?payment_id={payment_id}&receipt={past}")
    others = await payer.opens(f"{ONWARD}?payment_id={payment_id}&receipt={past}", user_id="3")
    unknown = [await payer.opens(f"{ONWARD}{query}") for query in (f"?payment_id={payment_id}", "?payment_id=1", "")]

    assert (lost.status_code, lost.headers.get("location")) == (303, f"{FORM}?error=payment_failed"), "from where it is asked for again"
    assert "your balance has not changed" in (await payer.opens(lost.headers["location"])).text
    assert [answer.status_code for answer in (others, *unknown)] == [404] * 4


@pytest.mark.parametrize(("status", "leads"), [("completed", "/success?session_id="), ("failed", "?error=payment_failed&session_id=")])
async def test_what_is_over_meanwhile_is_led_to_its_result(payer: Payer, status: str, leads: str) -> None:
    await payer.sends(await payer.opens())
    payer.ends(payer.newest, status)
    answer = await payer.opens(f"{ONWARD}?payment_id={payer.newest}")
    assert (answer.status_code, leads in answer.headers["location"]) == (303, True)


# ---- coming back


@pytest.mark.parametrize(
    ("status", "told", "waits"),
    [
        ("pending", "We are waiting for the payment provider.", True),
        ("completed", "The money is on your balance.", False),
        ("partially_refunded", "The money is on your balance.", False),
        ("failed", "The payment did not go through; your balance has not changed.", False),
        ("expired", "The payment did not go through; your balance has not changed.", False),
        ("refunded", "The money has gone back the way it came.", False),
        ("disputed", "The bank has taken the money back until the dispute is decided.", False),
    ],
)
async def test_the_success_page_tells_what_is_stored(payer: Payer, status: str, told: str, waits: bool) -> None:
    await payer.sends(await payer.opens())
    payer.ends(payer.newest, status)
    answer = await payer.opens(f"{SUCCESS}?session_id={payer.session_of(payer.newest)}&amount=999999")

    assert answer.status_code == 200
    (shown,) = re.findall(r'<div id="told" role="status">\s*<p>([^<]*)</p>', answer.text)
    assert shown.startswith(told)
    assert re.findall(r'class="amount">([^<]*)<', answer.text) == ["RSD\u00a02,000.00"]
    assert ("success." in answer.text, "<template" in answer.text, 'http-equiv="refresh"' in answer.text) == (waits, waits, waits)
    assert_nothing_inline(answer.text)


async def test_what_the_wallet_has_not_booked_is_not_told_as_paid(payer: Payer) -> None:
    await payer.sends(await payer.opens())
    payer.ends(payer.newest)
    payer.world.stand_ins.posted = False
    address = f"{SUCCESS}?session_id={payer.session_of(payer.newest)}"
    early = await payer.opens(address)
    payer.world.stand_ins.posted = True
    later = await payer.opens(address)

    assert ['data-state="waiting"' in early.text, 'data-state="paid" data-payment' in later.text] == [True, True]


async def test_other_peoples_payments_and_made_up_ones_are_not_there(payer: Payer) -> None:
    await payer.sends(await payer.opens())
    mine = payer.session_of(payer.newest)
    for path in (SUCCESS, FORM):
        strangers = await payer.opens(f"{path}?session_id={mine}", user_id="3")
        unknown = [await payer.opens(f"{path}?session_id={made_up}") for made_up in (new_id(), "1", "<script>")]
        assert [answer.status_code for answer in (strangers, *unknown)] == [404] * 4
    assert (await payer.opens(SUCCESS)).status_code == 404


async def test_what_stripe_appends_does_not_stay_in_the_address(payer: Payer) -> None:
    await payer.sends(await payer.opens())
    session_id = payer.session_of(payer.newest)
    answer = await payer.opens(f"{SUCCESS}?session_id={session_id}&payment_intent_client_secret=s&redirect_status=succeeded")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SUCCESS}?session_id={session_id}")


async def test_coming_back_from_a_failure_the_form_is_filled_in_again(payer: Payer) -> None:
    await payer.sends(await payer.opens(), amount="20.50", currency="eur", method="stripe")
    payer.ends(payer.newest, "failed")
    address = f"{FORM}?error=payment_failed&session_id={payer.session_of(payer.newest)}"
    answer = await payer.opens(address)

    assert 'role="alert"' in answer.text
    assert "The payment did not go through; your balance has not changed." in answer.text
    assert value_of(answer, "amount") == "20.50"
    assert 'value="eur" selected' in answer.text
    assert "/payment/mock" in (await payer.sends(answer, amount="20.50", currency="eur", method="stripe")).headers["location"]
    assert len(payer.made) == 2


@pytest.mark.parametrize(
    ("status", "told", "link"),
    [
        ("pending", "This payment of RSD\u00a02,000.00 is still open.", "Continue to payment"),
        ("completed", "The money is on your balance.", "See the result"),
    ],
)
async def test_whatever_the_address_says_of_it_a_payment_is_told_as_it_is(payer: Payer, status: str, told: str, link: str) -> None:
    await payer.sends(await payer.opens())
    payer.ends(payer.newest, status)
    answer = await payer.opens(f"{FORM}?error=payment_failed&session_id={payer.session_of(payer.newest)}")

    assert 'role="alert"' not in answer.text
    assert told in answer.text
    (leads,) = re.findall(rf'href="([^"]*)">{link}<', answer.text)
    gone_on = await payer.opens(unescape(leads))
    assert gone_on.status_code == (303 if status == "pending" else 200)


async def test_a_failure_of_nobody_knows_what_is_told_too(payer: Payer) -> None:
    assert "The payment did not go through" in (await payer.opens(f"{FORM}?error=payment_failed")).text
    assert "did not go through" not in (await payer.opens(f"{FORM}?error=x")).text


@pytest.mark.parametrize("change", [{"kind": "payment"}, {"user_id": "3"}], ids=["paid for a session", "paid by a mentor's student"])
@pytest.mark.parametrize("path", [SUCCESS, FORM, ONWARD])
async def test_what_is_no_top_up_of_the_visitors_is_not_told_as_one(payer: Payer, path: str, change: dict[str, str]) -> None:
    await payer.sends(await payer.opens())
    payer.ends(payer.newest)
    answers = payer.world.stand_ins.answers
    view: Any = answers[GetPayment]

    async def another(query: GetPayment) -> Any:
        return (await view(query)).model_copy(update=change)

    answers[GetPayment] = another
    page = await payer.opens(f"{path}?session_id={payer.session_of(payer.newest)}&payment_id={payer.newest}&error=payment_failed")
    assert page.status_code == 404

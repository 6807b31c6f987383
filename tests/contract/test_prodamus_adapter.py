"""Prodamus' adapter and the gateway's check against the stand-in: links that its page takes, and what its deliveries say to us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.gateway.signatures import prodamus as check
from services.gateway.signatures.base import Received, SignatureError
from services.payments.domain.facts import Closed, Fact, Irrelevant, Paid
from services.payments.domain.payments import Mismatch, Moved, Payment, Status, settle
from services.payments.providers.base import Accepted, Payer, ProviderEvent
from services.payments.providers.prodamus.adapter import PaymentPage, ProdamusProvider
from shared.contracts.base import new_id, utc_now
from shared.money import Money
from tests.contract.prodamus_world import Came, Stages, World, both_stages, playing
from tests.emulators.prodamus import DEFAULT_PAGE
from tests.emulators.prodamus.links import LinkRefused
from tests.unit.prodamus_payments import an_order, provider

PAYER = Payer("a@example.org", "+79990000000")


@dataclass
class Selling:
    """Our side of the world: the adapter with the page's key, and what it makes of what came."""

    world: World
    page: PaymentPage
    adapter: ProdamusProvider

    def order(self, **changes: Any) -> Payment:
        now = utc_now()
        return an_order(**({"session_id": new_id(), "created_at": now, "expires_at": now + timedelta(hours=1)} | changes))

    async def link(self, payment: Payment, payer: Payer = PAYER) -> str:
        created = await self.adapter.create(payment, payer, again=False)
        assert isinstance(created, Accepted)
        return created.payment_url

    async def open(self, payment: Payment, payer: Payer = PAYER) -> str:
        """The payer follows the link; our reference there."""
        return await self.world.prodamus.control.visit(await self.link(payment, payer))

    async def events(self, *keys: str) -> list[ProviderEvent]:
        """What the authentic ones of all deliveries so far say."""
        found = []
        for came in await self.world.told():
            try:
                verified = check.verify(received(came), keys or (self.page.key,))
            except SignatureError:
                continue
            found.append(self.adapter.read_event(verified.headers, verified.body))
        return found

    async def facts(self) -> list[Fact]:
        return [event.fact for event in await self.events()]


def received(came: Came) -> Received:
    headers = [(b"content-type", came.content_type.encode()), *([] if came.sign is None else [(b"sign", came.sign.encode())])]
    return Received(headers, came.body)


@pytest.fixture(scope="module")
async def stages() -> AsyncIterator[Stages]:
    async with both_stages() as stages:
        yield stages


@pytest.fixture
async def selling(stages: Stages) -> AsyncIterator[Selling]:
    async with playing(stages) as world:
        page = PaymentPage(
            url=world.prodamus.page_url().rstrip("/"),
            key=DEFAULT_PAGE.key,
            notification_url=world.merchant.base_url + "/hook/purser",
            sys="demo",
        )
        yield Selling(world, page, provider(page))


async def test_the_page_shows_our_order_and_its_success_completes_our_payment(selling: Selling) -> None:
    payment = selling.order()
    url = await selling.link(payment)
    assert not selling.world.prodamus.book.orders(), "making a link asks nobody"
    shown = await selling.world.browser.get(url)
    assert shown.status_code == 200
    assert "21.00 RUB" in shown.text
    assert "Разбор / &quot;семь чакр&quot;" in shown.text
    assert PAYER.phone is not None
    assert PAYER.phone in shown.text, "nobody is asked for what we know"

    charge = await selling.world.prodamus.control.pay(str(payment.session_id))

    (came,) = await selling.world.told()
    (event,) = await selling.events()
    assert came.path == "/hook/purser", "at the link's own address, not the cabinet's"
    assert event.event_id == f"{charge.charge}:success"
    assert isinstance(event.fact, Paid)
    assert (event.fact.charge_reference, event.fact.money, event.fact.title) == (charge.charge, payment.money, payment.title)
    assert abs(event.fact.happened_at - utc_now()) < timedelta(minutes=1)
    decision = settle(payment, event.fact)
    assert isinstance(decision, Moved)
    assert (decision.payment.status, decision.rest_minor) == (Status.COMPLETED, 0)


async def test_without_the_integrations_code_the_page_tells_the_cabinets_address(selling: Selling) -> None:
    selling.adapter = provider(replace(selling.page, sys=""))
    await selling.world.prodamus.control.pay(await selling.open(selling.order()))
    (came,) = await selling.world.told()
    assert came.path == "/hook"
    assert [type(fact) for fact in await selling.facts()] == [Paid]


async def test_a_declined_attempt_leaves_the_session_and_the_next_one_pays_it(selling: Selling) -> None:
    payment = selling.order()
    reference = await selling.open(payment)
    await selling.world.prodamus.control.decline(reference)
    await selling.world.told()
    await selling.world.prodamus.control.pay(reference)

    declined, paid = await selling.events()
    assert declined.fact == Irrelevant("attempt declined")
    assert isinstance(paid.fact, Paid)
    assert declined.event_id != paid.event_id, "though the page's order is the same"


async def test_who_goes_back_closes_the_session_and_may_still_pay_it(selling: Selling) -> None:
    payment = selling.order()
    reference = await selling.open(payment)
    await selling.world.prodamus.control.cancel(reference)
    await selling.world.told()
    await selling.world.prodamus.control.pay(reference)

    closed, paid = await selling.facts()
    assert isinstance(closed, Closed)
    assert isinstance(paid, Paid)
    canceled = settle(payment, closed)
    assert isinstance(canceled, Moved)
    assert canceled.payment.status is Status.CANCELED
    completed = settle(canceled.payment, paid)
    assert isinstance(completed, Moved)
    assert completed.payment.status is Status.COMPLETED


async def test_retries_copies_and_resends_are_one_event(selling: Selling) -> None:
    selling.world.merchant.answers = [500, 0, 503]
    selling.world.prodamus.deliveries.switches.duplicate = 1
    charge = await selling.world.prodamus.control.pay(await selling.open(selling.order()))
    await selling.world.told()
    await selling.world.prodamus.control.resend(charge.charge)

    events = await selling.events()
    came = await selling.world.told()
    assert len(came) == len(events) == 6
    assert len({one.body for one in came}) > 1
    assert len(set(map(repr, events))) == 1


async def test_forged_ones_are_refused_and_the_true_one_counts(selling: Selling) -> None:
    selling.world.prodamus.deliveries.switches.forged = 2
    selling.world.merchant.answers = [400, 400]
    await selling.world.prodamus.control.pay(await selling.open(selling.order()))
    assert (len(await selling.world.told()), len(await selling.events())) == (3, 1)


async def test_a_link_is_no_event_though_it_is_signed_with_the_same_key(selling: Selling) -> None:
    """The payer has it, and could post it to us."""
    url = await selling.link(selling.order())
    query, _, signature = url.partition("?")[2].rpartition("&signature=")
    replayed = Received([(b"content-type", b"application/x-www-form-urlencoded"), (b"sign", signature.encode())], query.encode())
    with pytest.raises(SignatureError, match="link"):
        check.verify(replayed, (selling.page.key,))


async def test_urlencoded_notifications_say_the_same(selling: Selling) -> None:
    await selling.world.prodamus.control.set_page("shop", encoding="urlencoded")
    payment = selling.order()
    await selling.world.prodamus.control.pay(await selling.open(payment))
    (fact,) = await selling.facts()
    assert isinstance(fact, Paid)
    assert fact.title == payment.title


# ---- money


@pytest.mark.parametrize("currency", sorted(ProdamusProvider.currencies))
@pytest.mark.parametrize("amount_minor", [1, 2_100, 2_105, 99_999_999])
async def test_every_currency_goes_there_and_comes_back_to_the_minor_unit(selling: Selling, currency: str, amount_minor: int) -> None:
    payment = selling.order(money=Money(amount_minor, currency))
    charge = await selling.world.prodamus.control.pay(await selling.open(payment))
    (fact,) = await selling.facts()
    assert isinstance(fact, Paid)
    assert fact.money == payment.money
    assert (charge.amount, charge.currency) == (payment.money.major, currency)
    assert isinstance(settle(payment, fact), Moved)


@pytest.mark.parametrize(
    "description", ["", "a/b\\c", "<b>&amp;</b> \"'`", "1 + 1 = 2 & a[0]=x; 100%", "😀 é Ж ż\u0301 \u200b", "  two\n\nlines  ", "x" * 500]
)
async def test_any_title_comes_back_as_it_was_asked_for(selling: Selling, description: str) -> None:
    payment = selling.order(description=description)
    await selling.world.prodamus.control.pay(await selling.open(payment))
    (fact,) = await selling.facts()
    assert isinstance(fact, Paid)
    assert fact.title == payment.title
    assert isinstance(settle(payment, fact), Moved)


async def test_a_price_of_the_payers_own_is_kept_apart(selling: Selling) -> None:
    payment = selling.order()
    await selling.world.prodamus.control.pay_tampered(await selling.open(payment), "0.01")
    (fact,) = await selling.facts()
    assert isinstance(fact, Paid)
    assert settle(payment, fact) == Mismatch("less_than_asked")


async def test_a_link_takes_one_payment_and_another_link_a_second_one(selling: Selling) -> None:
    payment = selling.order()
    reference = await selling.open(payment)
    await selling.world.prodamus.control.pay(reference)
    with pytest.raises(ValueError, match="paid"):
        await selling.world.prodamus.control.pay(reference)
    await selling.world.told()
    await selling.world.prodamus.control.pay_again(reference)

    first, second = await selling.facts()
    assert isinstance(first, Paid)
    assert isinstance(second, Paid)
    completed = settle(payment, first)
    assert isinstance(completed, Moved)
    assert settle(completed.payment, second) == Mismatch("second_payment")


async def test_what_the_page_does_not_tell_is_taken_as_it_says(selling: Selling) -> None:
    payment = selling.order()
    charge = await selling.world.prodamus.control.pay(await selling.open(payment))
    await selling.world.told()
    await selling.world.prodamus.control.tell(charge.charge, without=["currency", "products", "date"])
    whole, bare = await selling.facts()
    assert isinstance(bare, Paid)
    assert isinstance(whole, Paid)
    assert (bare.money, bare.title, bare.charge_reference) == (payment.money, None, whole.charge_reference)


async def test_what_the_cabinet_gives_back_nobody_tells_and_unknown_words_are_ignored(selling: Selling) -> None:
    charge = await selling.world.prodamus.control.pay(await selling.open(selling.order()))
    await selling.world.prodamus.control.refund_elsewhere(charge.charge)
    assert [type(fact) for fact in await selling.facts()] == [Paid]
    await selling.world.prodamus.control.tell(charge.charge, status="order_refunded")
    assert (await selling.facts())[1:] == [Irrelevant("status order_refunded")]


# ---- the link's time, its key, its demo


async def test_a_link_is_taken_until_our_session_ends_and_refused_a_minute_later(selling: Selling) -> None:
    payment = selling.order()
    reference = await selling.open(payment)
    ends = payment.expires_at
    assert ends is not None

    def clock(at: datetime) -> None:
        selling.world.prodamus.now = lambda: at

    clock(ends + timedelta(minutes=1))
    with pytest.raises(ValueError, match="expired"):
        await selling.world.prodamus.control.pay(reference)
    clock(ends - timedelta(microseconds=1))
    await selling.world.prodamus.control.pay(reference)


async def test_the_page_refuses_a_link_signed_with_a_key_that_it_does_not_have(selling: Selling) -> None:
    selling.adapter = provider(replace(selling.page, key="another"))
    with pytest.raises(LinkRefused, match="signature"):
        await selling.open(selling.order())
    await selling.world.prodamus.control.set_page("shop", refuses_unsigned=True)
    selling.adapter = provider(selling.page)
    await selling.open(selling.order())


async def test_a_demo_page_takes_demo_links_and_its_key_is_believed_only_where_demo_is_on(selling: Selling) -> None:
    await selling.world.prodamus.control.set_page("shop", is_live=False)
    selling.adapter = provider(replace(selling.page, demo=True, key=DEFAULT_PAGE.key + "demo"))
    charge = await selling.world.prodamus.control.pay(await selling.open(selling.order()))
    assert charge.is_demo
    assert await selling.events() == [], "in production"
    assert len(await selling.events(*check.demo_keys((DEFAULT_PAGE.key,)))) == 1

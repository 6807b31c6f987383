"""AllSecure's adapter over its emulator: paying, declining, asking and canceling, and what the callbacks of it say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.payments.domain.facts import Closed, Declined, Look, Paid
from services.payments.providers.base import Accepted, BeingPaid, Canceled, Open, Payer, Rejected, Unavailable
from shared.money import Money
from tests.contract.allsecure_world import EUROS, PAYER, AllSecureWorld, allsecure_world, payment_of
from tests.emulators.allsecure.connectors import CARDS, Connector
from tests.emulators.allsecure.transactions import Request

SUMS = [Money(999, "eur"), Money(500, "jpy"), Money(1_234, "kwd"), Money(999_999_999_999, "rsd"), Money(1, "eur")]


@pytest.fixture(scope="module")
async def _world() -> AsyncIterator[AllSecureWorld]:
    async with allsecure_world() as world:
        yield world


@pytest.fixture
async def world(_world: AllSecureWorld) -> AsyncIterator[AllSecureWorld]:
    await _world.emulator.control.limit(per_user=60)
    yield _world
    _world.emulator.faults.off()
    await _world.emulator.control.behave(callbacks="after", naming="code", list_naming="errorCode", decimals_always=False, asks_3ds=False)
    await _world.told()


def asked_for(world: AllSecureWorld, our_id: object) -> Request:
    transaction = world.emulator.book.find(CARDS.api_key, str(our_id))
    assert transaction is not None
    return transaction.request


async def test_a_payment_is_one_debit_and_its_payer_is_sent_to_the_hosted_page(world: AllSecureWorld) -> None:
    payment = payment_of(description="Top-up of\na balance")
    created = await world.begun(payment)

    transaction = world.transaction(payment.session_id)
    assert transaction is not None
    assert created == Accepted(
        f"{world.emulator.base_url}/redirect/{transaction.uuid}/{transaction.page_key}", created.expires_at, transaction.uuid
    )
    assert created.expires_at == payment.expires_at
    sent = transaction.request
    assert (sent.amount_minor, sent.currency) == (999, "EUR")
    assert sent.success_url == f"https://pay.example.org/sr/balance/deposit/success?session_id={payment.session_id}&amount=9.99"
    assert (
        sent.cancel_url
        == sent.error_url
        == f"https://pay.example.org/sr/balance/deposit?error=payment_failed&session_id={payment.session_id}"
    )
    assert (sent.description, sent.meta_data) == ("Top-up of a balance", str(payment.payment_id))
    assert sent.customer == {"identification": "7", "email": "payer@example.org"}


async def test_who_cannot_be_named_within_their_bounds_is_not_named(world: AllSecureWorld) -> None:
    payment = payment_of(user_id="u" * 37)
    assert isinstance(await world.provider.create(payment, Payer(), again=False), Accepted)
    assert asked_for(world, payment.session_id).customer is None


@pytest.mark.parametrize("money", SUMS, ids=lambda money: f"{money.amount_minor} {money.currency}")
@pytest.mark.parametrize("decimals_always", [False, True])
async def test_every_number_of_decimals_goes_there_and_comes_back(world: AllSecureWorld, money: Money, decimals_always: bool) -> None:
    await world.emulator.control.behave(decimals_always=decimals_always)
    payment = payment_of(money)
    await world.begun(payment)
    charge = await world.emulator.control.pay(str(payment.session_id))
    assert (charge.amount_minor, charge.currency.lower()) == (money.amount_minor, money.currency)

    found, (told,) = await world.provider.find(payment), await world.facts()
    assert isinstance(found, Paid)
    assert isinstance(told, Paid)
    assert found.money == told.money == money
    assert found.charge_reference == told.charge_reference == charge.charge
    assert found.session_id == told.session_id == payment.session_id


@pytest.mark.parametrize("naming", ["code", "errorCode"])
async def test_event_and_answer_say_the_same_of_who_declined_gave_up_or_came_too_late(world: AllSecureWorld, naming: str) -> None:
    control = world.emulator.control
    await control.behave(naming=naming, list_naming=naming)
    for deed, kind in ((control.decline, Declined), (control.cancel, Closed), (control.expire, Closed)):
        payment = payment_of()
        await world.begun(payment)
        await deed(str(payment.session_id))
        found, (told,) = await world.provider.find(payment), await world.facts()
        assert type(found) is type(told) is kind
        assert isinstance(told, (Declined, Closed))
        assert told.session_id == payment.session_id


@pytest.mark.parametrize("passes", [True, False])
async def test_3d_secure_is_between_payer_and_bank_and_its_outcome_is_told(world: AllSecureWorld, passes: bool) -> None:
    payment = payment_of()
    await world.begun(payment)
    await world.emulator.control.require_3ds(str(payment.session_id), passes=passes)
    expected = Paid if passes else Declined
    assert isinstance(await world.provider.find(payment), expected)
    assert [type(fact) for fact in await world.facts()] == [expected]


async def test_pending_is_no_proof_and_what_comes_of_it_is_told_under_another_event_id(world: AllSecureWorld) -> None:
    payment = payment_of()
    await world.begun(payment)
    await world.emulator.control.pend(str(payment.session_id))
    assert await world.provider.find(payment) == Open(expired=False, being_paid=True)
    assert await world.provider.cancel(payment) == BeingPaid()
    (pending,) = await world.told()
    assert isinstance(pending.fact, Look)

    await world.emulator.control.settle(str(payment.session_id))
    (paid,) = await world.told()
    assert isinstance(paid.fact, Paid)
    uuid = paid.fact.charge_reference
    assert (pending.event_id, paid.event_id) == (f"{uuid}:DEBIT:PENDING", f"{uuid}:DEBIT:OK")


async def test_a_callback_that_is_repeated_is_the_same_event(world: AllSecureWorld) -> None:
    world.emulator.deliveries.switches.duplicate = 2
    payment = payment_of()
    await world.begun(payment)
    await world.emulator.control.pay(str(payment.session_id))
    world.emulator.deliveries.off()
    assert len({event.event_id for event in await world.told()}) == 1


async def test_what_nobody_has_heard_of_is_open(world: AllSecureWorld) -> None:
    assert await world.provider.find(payment_of()) == Open(expired=False)


async def test_canceling_ends_nothing_there_but_tells_what_has_happened(world: AllSecureWorld) -> None:
    payment = payment_of()
    await world.begun(payment)
    assert await world.provider.cancel(payment) == Canceled(still_payable=True)
    charge = await world.emulator.control.pay(str(payment.session_id))
    ended = await world.provider.cancel(payment)
    assert isinstance(ended, Paid)
    assert ended.charge_reference == charge.charge

    given_up = payment_of()
    await world.begun(given_up)
    await world.emulator.control.cancel(str(given_up.session_id))
    assert isinstance(await world.provider.cancel(given_up), Closed)


async def test_a_refusal_of_the_whole_request_is_final_and_says_why(world: AllSecureWorld) -> None:
    payment = payment_of(locale="s1")
    assert await world.provider.create(payment, PAYER, again=False) == Rejected("language is not two letters")
    assert world.transaction(payment.session_id) is None


async def test_asked_again_for_what_never_arrived_it_sends_it_under_the_same_id(world: AllSecureWorld) -> None:
    payment = payment_of()
    assert isinstance(await world.provider.create(payment, PAYER, again=True), Accepted)
    assert world.transaction(payment.session_id) is not None


@pytest.mark.parametrize("list_naming", ["errorCode", "code"])
async def test_asked_again_for_what_is_paid_or_declined_it_says_so_and_makes_nothing_new(world: AllSecureWorld, list_naming: str) -> None:
    await world.emulator.control.behave(list_naming=list_naming)
    payment = payment_of()
    await world.begun(payment)
    charge = await world.emulator.control.pay(str(payment.session_id))
    count = len(world.emulator.book)
    success = f"https://pay.example.org/sr/balance/deposit/success?session_id={payment.session_id}&amount=9.99"
    assert payment.expires_at is not None
    assert await world.provider.create(payment, PAYER, again=True) == Accepted(success, payment.expires_at, charge.charge)

    declined = payment_of()
    await world.begun(declined)
    await world.emulator.control.decline(str(declined.session_id))
    assert await world.provider.create(declined, PAYER, again=True) == Rejected("The transaction was declined")
    assert len(world.emulator.book) == count + 1


@pytest.mark.parametrize(
    "connector",
    [replace(CARDS, password="another"), replace(CARDS, api_key="another"), replace(CARDS, shared_secret="another")],
    ids=["password", "api_key", "shared_secret"],
)
async def test_credentials_that_are_wrong_are_no_failure_of_the_payment(connector: Connector) -> None:
    async with allsecure_world(connector) as world:
        created = await world.provider.create(payment_of(EUROS), PAYER, again=False)
        assert isinstance(created, Unavailable)
        assert not list(world.emulator.book)
        assert world.pauses == [], "somebody has to look: nothing is tried again"

"""Opening, asking about and ending payments at Stripe: what goes over the wire, and what each answer is to us."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from structlog.testing import capture_logs

from services.payments.domain.facts import Closed, Paid
from services.payments.providers.base import Accepted, BeingPaid, Canceled, Open, Payer, Rejected, Unavailable, Unknown
from services.payments.providers.stripe import client as stripe_client
from shared.money import Money
from tests.unit.stripe_doubles import INTENT, NOW, SESSION_ID, TTL, Answer, Json, a_payment, a_provider, an_intent, refusal

NOBODY = Payer()
KNOWN: Json = {"provider_reference": INTENT}
CHARGED_AT = int(NOW.timestamp()) + 40


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_client, "_FIRST_DELAY_SECONDS", 0.0)


# ---- opening


async def test_an_intent_carries_our_ids_and_leaves_the_methods_to_stripe() -> None:
    payment = a_payment(Money(500, "isk"), description="  Two \n lines ")
    async with a_provider(an_intent(amount=50_000, currency="isk")) as (stripe, wire):
        made = await stripe.create(payment, Payer(email="payer@example.org", phone="+381601234567"), again=False)
    assert made == Accepted(f"https://pay.example/en/pay/{SESSION_ID}", NOW + TTL, INTENT, f"{INTENT}_secret_x")
    assert wire.asked[0].url.path == "/v1/payment_intents"
    assert wire.form() == {
        "amount": "50000",
        "currency": "isk",
        "automatic_payment_methods[enabled]": "true",
        "description": "Two lines",
        "metadata[purser_session_id]": str(SESSION_ID),
        "metadata[purser_payment_id]": str(payment.payment_id),
        "metadata[purser_kind]": "deposit",
        "receipt_email": "payer@example.org",
    }
    assert wire.keys == [f"pi-create-{SESSION_ID}"]


async def test_asked_again_it_is_the_same_request_to_the_letter() -> None:
    payment = a_payment()
    async with a_provider(an_intent()) as (stripe, wire):
        for again in (False, True):
            await stripe.create(payment, NOBODY, again=again)
    assert wire.keys == [f"pi-create-{SESSION_ID}"] * 2
    assert wire.asked[0].content == wire.asked[1].content
    assert "receipt_email" not in wire.form()


async def test_a_payment_without_an_end_has_the_sessions_usual_one() -> None:
    async with a_provider(an_intent()) as (stripe, _):
        made = await stripe.create(a_payment(expires_at=None), NOBODY, again=False)
    assert isinstance(made, Accepted)
    assert made.expires_at == NOW + TTL


@pytest.mark.parametrize(
    ("answer", "made"),
    [
        (refusal(400, "amount_too_small"), Rejected("the amount is too small")),
        (refusal(400, "parameter_unknown"), Rejected("it does not take this payment")),
        (refusal(402, "card_declined", "card_error"), Rejected("it does not take this payment")),
        (refusal(400, kind="idempotency_error"), Unknown()),
        (refusal(401), Unavailable("Stripe does not accept our key")),
        (refusal(429), Unavailable("too many requests")),
        (refusal(409, "idempotency_key_in_use"), Unknown()),
        (refusal(500), Unknown()),
        (httpx.ReadTimeout("slow"), Unknown()),
        (an_intent(client_secret=None), Unknown()),
        (an_intent(metadata={"purser_session_id": "another"}), Unknown()),
    ],
)
async def test_what_an_answer_to_opening_is(answer: Answer, made: object) -> None:
    async with a_provider(answer) as (stripe, _):
        assert await stripe.create(a_payment(), NOBODY, again=False) == made


@pytest.mark.parametrize("answer", [refusal(401), refusal(403), refusal(400, kind="idempotency_error")])
async def test_what_somebody_has_to_see_to_is_an_error_in_the_log(answer: httpx.Response) -> None:
    with capture_logs() as logs:
        async with a_provider(answer) as (stripe, _):
            await stripe.create(a_payment(), NOBODY, again=False)
    assert "error" in {log["log_level"] for log in logs}


KEPT_FAILURE = refusal(500, idempotent_replayed="true")


async def test_a_failure_that_stripe_keeps_under_a_key_leaves_the_next_key() -> None:
    async with a_provider(refusal(500), KEPT_FAILURE, an_intent()) as (stripe, wire):
        assert isinstance(await stripe.create(a_payment(), NOBODY, again=False), Accepted)
    # Whoever asks again walks the same way.
    assert wire.keys == [f"pi-create-{SESSION_ID}"] * 2 + [f"pi-create-{SESSION_ID}-2"]
    assert len({request.content for request in wire.asked}) == 1


async def test_a_failure_that_stripe_keeps_under_each_key_stays_unknown() -> None:
    async with a_provider(KEPT_FAILURE) as (stripe, wire):
        assert await stripe.create(a_payment(), NOBODY, again=True) == Unknown()
    assert wire.keys == [f"pi-create-{SESSION_ID}{suffix}" for suffix in ("", "-2", "-3")]


async def test_a_failure_that_may_pass_keeps_its_key() -> None:
    async with a_provider(refusal(500)) as (stripe, wire):
        assert await stripe.create(a_payment(), NOBODY, again=True) == Unknown()
    assert set(wire.keys) == {f"pi-create-{SESSION_ID}"}


# ---- asking


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (an_intent(), Open(expired=False)),
        (an_intent(status="requires_confirmation"), Open(expired=False)),
        (an_intent(status="requires_action"), Open(expired=False)),
        (an_intent(status="processing"), Open(expired=False, being_paid=True)),
        (
            an_intent(status="succeeded", amount_received=5_000, latest_charge={"id": "ch_1", "created": CHARGED_AT}),
            Paid(SESSION_ID, INTENT, Money(5_000, "eur"), datetime.fromtimestamp(CHARGED_AT, UTC)),
        ),
        (an_intent(status="invented"), Unknown()),
        (an_intent(metadata={}), Unknown()),
        (an_intent(status="succeeded", amount_received=5_001, currency="isk"), Unknown()),
        (refusal(404, "resource_missing"), Unknown()),
        (refusal(401), Unknown()),
        (refusal(429), Unknown()),
        (refusal(500), Unknown()),
        (httpx.ConnectError("refused"), Unknown()),
    ],
)
async def test_what_stripe_tells_when_it_is_asked(shown: Answer, told: object) -> None:
    async with a_provider(shown) as (stripe, wire):
        assert await stripe.find(a_payment(**KNOWN)) == told
    assert wire.asked[0].url.path == f"/v1/payment_intents/{INTENT}"
    assert wire.asked[0].url.params["expand[0]"] == "latest_charge"


async def test_a_canceled_one_is_closed_when_it_was() -> None:
    async with a_provider(an_intent(status="canceled", canceled_at=CHARGED_AT)) as (stripe, _):
        told = await stripe.find(a_payment(**KNOWN))
    assert isinstance(told, Closed)
    assert int(told.happened_at.timestamp()) == CHARGED_AT


async def test_without_stripes_name_of_it_nobody_can_have_paid() -> None:
    async with a_provider(refusal(500)) as (stripe, wire):
        assert await stripe.find(a_payment()) == Open(expired=False)
        assert await stripe.cancel(a_payment()) == Canceled()
    assert not wire.asked


@pytest.mark.parametrize(
    ("key", "asked", "served_a_second"), [("sk_live_1", 2_400, 100), ("rk_live_1", 2_400, 100), ("sk_test_1", 600, 25)]
)
async def test_questions_leave_most_of_what_stripe_serves_to_payers(key: str, asked: int, served_a_second: int) -> None:
    async with a_provider({}, key=key) as (stripe, _):
        assert stripe.questions_per_minute == asked <= served_a_second * 60 / 2


# ---- ending

WRONG_STATE = refusal(400, "payment_intent_unexpected_state")


@pytest.mark.parametrize(
    ("answers", "ended"),
    [
        ([an_intent(status="canceled")], Canceled()),
        ([WRONG_STATE, an_intent(status="canceled")], Canceled()),
        ([WRONG_STATE, an_intent(status="processing")], BeingPaid()),
        ([WRONG_STATE, an_intent(status="requires_payment_method")], Unknown()),
        ([WRONG_STATE, refusal(500)], Unknown()),
        ([refusal(404, "resource_missing")], Unknown()),
        ([refusal(429)], Unknown()),
        ([refusal(401)], Unknown()),
        ([refusal(500)], Unknown()),
        ([httpx.ReadTimeout("slow")], Unknown()),
    ],
)
async def test_what_ending_comes_to(answers: list[Answer], ended: object) -> None:
    async with a_provider(*answers) as (stripe, wire):
        assert await stripe.cancel(a_payment(**KNOWN)) == ended
    assert wire.asked[0].url.path == f"/v1/payment_intents/{INTENT}/cancel"
    assert wire.form() == {"cancellation_reason": "abandoned"}


async def test_what_was_paid_meanwhile_is_paid() -> None:
    async with a_provider(WRONG_STATE, an_intent(status="succeeded", amount_received=5_000)) as (stripe, _):
        ended = await stripe.cancel(a_payment(**KNOWN))
    assert isinstance(ended, Paid)
    assert (ended.charge_reference, ended.money) == (INTENT, Money(5_000, "eur"))


async def test_an_earlier_refusal_is_not_answered_from_stripes_memory() -> None:
    async with a_provider(refusal(500), refusal(500), WRONG_STATE, an_intent(), an_intent(status="canceled")) as (stripe, wire):
        assert await stripe.cancel(a_payment(**KNOWN)) == Unknown()
        assert await stripe.cancel(a_payment(**KNOWN)) == Canceled()
    one, again, once_more, _, another_time = wire.keys
    assert one == again == once_more
    assert another_time != one

"""The shapes of what is answered about session payments, coaching sessions, and what can be paid how."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.gateway.answers import Amount, AmountMinor, Answer, Currency, Id, Moment, ProblemAnswer

_TIME = "2026-01-31T13:00:00Z"
CoachingSessionId = Annotated[str, Field(description="The coaching session.", examples=["1"])]
MentorId = Annotated[str, Field(examples=["2"])]
PaymentMethod = Annotated[str, Field(description="What really runs.", examples=["mock"])]


class IntentAnswer(Answer):
    client_secret: Annotated[
        str | None,
        Field(
            description="For a page with Stripe's form, or the mock's; null where the payer goes on at payment_url alone (AllSecure, "
            "Prodamus) or nothing is left to do (balance).",
            examples=["pi_K3OZPGJQ4SVB2QM7XT3NLWE5_secret_JR5YD6HF2UA4PQ7GI3KTNWOXZ2MVBCLD"],
        ),
    ]
    payment_id: Id
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    status: Annotated[Literal["pending", "completed"], Field(description="completed: from the balance, and moved.", examples=["pending"])]
    payment_method: PaymentMethod
    session_id: CoachingSessionId
    mentor_id: MentorId
    payment_url: Annotated[
        str | None,
        Field(
            description="Where the payer goes on: the provider's page, or ours with Stripe's form; null where nothing is left to do.",
            examples=["http://localhost:8000/payment/mock?session_id=0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4&amount=50.00&currency=usd"],
        ),
    ]
    expires_at: Annotated[datetime | None, Field(examples=[_TIME])]


class ConfirmationAnswer(Answer):
    payment_id: Id
    status: Annotated[
        str,
        Field(
            description="completed: the mentor's balance shows it; pending: the provider says so, or the balance does not show it yet; "
            "or what became of a paid one: partially_refunded, refunded, disputed.",
            examples=["completed"],
        ),
    ]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    payment_method: PaymentMethod


class CancellationAnswer(Answer):
    payment_id: Id
    status: Annotated[Literal["canceled"], Field(examples=["canceled"])]
    amount: Amount
    amount_minor: AmountMinor
    currency: Currency
    payment_method: PaymentMethod


class CoachingSessionAnswer(Answer):
    session_id: CoachingSessionId
    mentor_id: MentorId
    title: Annotated[str, Field(examples=["A first conversation"])]
    amount: Amount
    amount_minor: AmountMinor
    price: Annotated[int, Field(description="The same as amount_minor, as it was put.", examples=[5000])]
    currency: Currency
    created_at: Moment
    updated_at: Moment


class AcceptedSession(Answer):
    """The request is safe, its answer is not there yet: poll the Location."""

    session_id: CoachingSessionId
    status: Annotated[Literal["accepted"], Field(examples=["accepted"])]


class FailedSession(Answer):
    """Accepted with a 202, but never received: nothing was done."""

    session_id: CoachingSessionId
    status: Annotated[Literal["failed"], Field(examples=["failed"])]
    problem: ProblemAnswer


class LimitsAnswer(Answer):
    """The same for each of these currencies."""

    currencies: Annotated[list[str], Field(description="ISO 4217, lower case.", examples=[["eur", "rsd", "usd"]])]
    minimum: Amount
    minimum_minor: AmountMinor
    maximum: Amount
    maximum_minor: AmountMinor
    step_minor: Annotated[
        int | None, Field(default=None, description="Minor units: sums are whole multiples of it; left out where that is 1.", examples=[10])
    ]


class MethodAnswer(Answer):
    method: Annotated[str, Field(examples=["mock"])]
    pays_for: Annotated[
        list[Literal["deposit", "session", "order"]], Field(description="What it can pay for.", examples=[["deposit", "session", "order"]])
    ]
    limits: Annotated[list[LimitsAnswer], Field(description="Each currency once.")]


class ConfigAnswer(Answer):
    methods: Annotated[list[MethodAnswer], Field(description="Those that are on; of deposits and orders the first is the default.")]
    exponents: Annotated[
        dict[str, int], Field(description="Decimals of each currency's minor unit.", examples=[{"rsd": 2, "jpy": 0, "kwd": 3}])
    ]
    fee_bps: Annotated[
        int, Field(description="The platform's part of a session's price, in hundredths of a percent, rounded down.", examples=[1000])
    ]
    stripe_publishable_key: Annotated[str | None, Field(description="null where Stripe is off.", examples=[None])]
    locales: Annotated[list[str], Field(examples=[["en", "ru", "sr"]])]
    default_locale: Annotated[str, Field(examples=["en"])]
    default_currency: Annotated[str, Field(description="Where none is named.", examples=["rsd"])]

"""Who pays what where, how they behave, and what becomes of it: all drawn from one seed before anything happens."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

Kind = Literal["deposit", "payment", "order"]
ProviderName = Literal["stripe", "allsecure", "prodamus"]
Weights = Mapping[str, int]

PROVIDERS: Final[tuple[ProviderName, ...]] = ("stripe", "allsecure", "prodamus")
EXPONENTS: Final = {"eur": 2, "usd": 2, "rsd": 2, "rub": 2, "kzt": 2, "jpy": 0, "kwd": 3}
"""What the run pays in. Written down here: the comparison must not share the services' own table."""

MENTORS: Final = 4
SESSION_PRICES: Final = (("eur", 4_990), ("usd", 5_000))
"""One session of each mentor's in each; prices in minor units, with a fee that does not divide evenly."""
ORDER_PRICE: Final = ("eur", 990)

_KINDS: Final[Weights] = {"deposit": 55, "payment": 25, "order": 20}
_PROVIDERS: Final[Weights] = {"stripe": 40, "allsecure": 35, "prodamus": 25}
_CURRENCIES: Final[Mapping[str, Weights]] = {
    "stripe": {"eur": 60, "usd": 20, "jpy": 12, "kwd": 8},
    "allsecure": {"eur": 60, "rsd": 20, "jpy": 12, "kwd": 8},
    "prodamus": {"eur": 55, "rub": 25, "usd": 10, "kzt": 10},
}

BEHAVIOURS: Final[Mapping[str, Weights]] = {
    "stripe": {
        "pays": 38, "pays_and_confirms": 10, "declined": 6, "declined_then_pays": 8, "passes_3ds": 8, "fails_3ds": 4, "closes": 5,
        "late": 6, "cancels": 5, "cancels_while_paying": 4, "bank_decides_to_pay": 3, "bank_decides_to_refuse": 2, "never_comes": 6,
    },
    "allsecure": {
        "pays": 36, "pays_and_confirms": 8, "declined": 7, "passes_3ds": 8, "fails_3ds": 4, "goes_back": 5, "closes": 4, "late": 8,
        "cancels": 4, "cancels_then_pays": 4, "cancels_while_paying": 3, "bank_decides_to_pay": 3, "bank_decides_to_refuse": 2,
        "never_comes": 6,
    },
    "prodamus": {
        "pays": 44, "declined": 6, "declined_then_pays": 8, "goes_back": 5, "closes": 4, "late": 8, "pays_twice": 10, "cancels": 4,
        "cancels_then_pays": 5, "never_comes": 8,
    },
}  # fmt: skip
_OF_ORDERS: Final[Weights] = {"another_session_pays": 12, "both_sessions_pay": 8}
"""Besides, of a hundred orders."""

_BACK: Final[Weights] = {
    "nothing": 45, "refund_whole": 8, "refund_part": 7, "refund_two_parts": 5, "refund_forced": 4, "refund_comes_back": 5,
    "elsewhere_whole": 4, "elsewhere_part": 5, "elsewhere_at_once": 3, "elsewhere_comes_back": 4, "dispute_open": 4, "dispute_won": 4,
    "part_then_dispute": 3, "refund_beside_dispute": 3,
}  # fmt: skip
SEQUELS: Final[Mapping[str, Weights]] = {
    "stripe": {**_BACK, "dispute_lost": 4},
    "allsecure": _BACK,
    "prodamus": {"nothing": 75, "cabinet_whole": 12, "cabinet_part": 13},
}
_WITHDRAWALS: Final[Weights] = {
    "withdraw": 12, "withdraw_big": 8, "withdraw_rejected": 3, "withdraw_canceled": 3, "withdraw_refused_by_bank": 4,
    "withdraw_bank_decides": 4, "withdraw_comes_back": 4, "withdraw_too_much": 3,
}  # fmt: skip
"""Besides, of deposits at AllSecure, to whose cards money can go."""


@dataclass(frozen=True, slots=True)
class Story:
    """One payment and what becomes of it. `payer`: an index; `share`: of the sum, for parts; `pause`: 0 to 1, of waits that vary."""

    number: int
    kind: Kind
    provider: ProviderName
    currency: str
    amount_minor: int
    payer: int
    mentor: int
    behaviour: str
    sequel: str
    share: float
    pause: float
    second_provider: ProviderName


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    people: int
    stories: tuple[Story, ...]


def draw(payments: int, seed: int) -> Plan:
    """The same for the same numbers."""
    chance = random.Random(seed)
    people = max(3, payments // 8)
    return Plan(seed, people, tuple(_story(number, people, chance) for number in range(payments)))


def _story(number: int, people: int, chance: random.Random) -> Story:
    kind: Kind = _chosen(chance, _KINDS)
    provider: ProviderName = _chosen(chance, _PROVIDERS)
    match kind:
        case "deposit":
            currency = str(_chosen(chance, _CURRENCIES[provider]))
            # 3 to 90 of most, 300 to 9000 yen; whole tens of minor units, which all providers take.
            amount_minor = chance.randrange(300, 9_000) * (1 if currency == "jpy" else 10 ** EXPONENTS[currency] // 100) // 10 * 10
        case "payment":
            currency, amount_minor = chance.choice(SESSION_PRICES) if provider != "allsecure" else SESSION_PRICES[0]
        case "order":
            currency, amount_minor = ORDER_PRICE
    behaviours = {**BEHAVIOURS[provider], **(_OF_ORDERS if kind == "order" else {})}
    sequels = {**SEQUELS[provider], **(_WITHDRAWALS if (kind, provider) == ("deposit", "allsecure") else {})}
    return Story(
        number=number,
        kind=kind,
        provider=provider,
        currency=currency,
        amount_minor=amount_minor,
        payer=chance.randrange(people),
        mentor=chance.randrange(MENTORS),
        behaviour=_chosen(chance, behaviours),
        sequel=_chosen(chance, sequels),
        share=chance.uniform(0.1, 0.9),
        pause=chance.random(),
        second_provider=_chosen(chance, _PROVIDERS),
    )


Name = TypeVar("Name", bound=str)


def _chosen(chance: random.Random, weights: Mapping[str, int]) -> Name:  # type: ignore[type-var]
    names: Sequence[str] = tuple(weights)
    return chance.choices(names, tuple(weights.values()))[0]  # type: ignore[return-value]


def major(amount_minor: int, currency: str) -> str:
    """As deposits, withdrawals and Prodamus' cabinet want it."""
    places = EXPONENTS[currency]
    whole, rest = divmod(amount_minor, 10**places)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)


def part(amount_minor: int, share: float, currency: str) -> int:
    """A share of a sum, at least the least that every provider takes back: kuwaiti fils only by tens."""
    step = 10 if currency == "kwd" else 1
    return max(step, round(amount_minor * share) // step * step)

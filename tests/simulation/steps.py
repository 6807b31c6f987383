"""How a step of the simulation is made: asked of the running services and of each possible book, then compared with what is told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from hypothesis.stateful import RuleBasedStateMachine

from shared.contracts.base import new_id
from shared.money import Money
from tests.simulation.book import Payment
from tests.simulation.model import Model
from tests.simulation.site import ADMIN, Fact, Site

WAIT_SECONDS: Final = 30.0

_STATUSES: Final = {
    "insufficient_funds": 409, "already_refunded": 409, "refund_exceeds_payment": 409, "session_final": 409, "already_paid": 409,
    "too late": 409, "payment_not_refundable": 400, "payment_disputed": 400, "payment_not_found": 404, "payment_not_disputable": 400,
    "accepted": 202, "amount_mismatch": 400, "suspense_item_decided": 409,
}  # fmt: skip
_TOO_LATE: Final = ("withdrawal_final", "withdrawal_not_pending")


@dataclass(frozen=True)
class Ended:
    """An example that is through but for what happens by itself: what its book may be, and all that is told of it."""

    currency: str
    possible: Sequence[Model]
    facts: Sequence[Fact]


@dataclass(frozen=True)
class Asked:
    """A request under a key, and its first answer."""

    who: str
    path: str
    body: Any
    key: str
    answer: httpx.Response


class Steps(RuleBasedStateMachine):
    """One example: a mentor, two payers, one currency. `ended` gathers the examples' ends for whoever runs them, `heard` the
    rules and what was answered."""

    currency: str
    users: dict[str, str]

    def __init__(self, site: Site, ended: list[Ended], heard: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self.site, self.ended, self.heard = site, ended, heard
        self.asked: list[Asked] = []
        self.possible: list[Model] = [Model()]
        self.sessions: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "users"):
            facts: list[Fact] = [fact for kind in ("payment", "order", "withdrawal", "refund") for fact in self.all(kind)]
            self.compare(facts)
            self.compare([("suspense", one.payment) for one in self.book.items])
            self.ended.append(Ended(self.currency, self.possible, facts + self.balances))

    @property
    def book(self) -> Model:
        """Any of the possible: what may be asked for is the same in each."""
        return self.possible[0]

    @property
    def slow(self) -> int:
        return max(book.under_way for book in self.possible)

    @property
    def balances(self) -> list[Fact]:
        return [("balance", user) for user in self.users.values()]

    def money(self, minor: int) -> dict[str, Any]:
        return {"amount": str(Money(minor, self.currency).major), "currency": self.currency}

    def picked(self, pick: int, suits: Callable[[Payment], bool]) -> str | None:
        suitable = [payment_id for payment_id, payment in self.book.payments.items() if suits(payment)]
        return suitable[pick % len(suitable)] if suitable else None

    def is_in_vain(self, payment: Payment) -> bool:
        """The stand-in says that it is paid and we do not: its money is in suspense, and whoever waits for more waits in vain."""
        odd = payment.session == "success" and payment.status != "completed"
        return odd or (payment.order is not None and payment.status != "completed" and self.book.paid_by(payment.order) is not None)

    def payer(self, payment_id: str) -> str:
        return self.book.payments[payment_id].payer or self.users["payer"]

    def of(self, payment_id: str) -> list[Fact]:
        order = self.book.payments[payment_id].order
        return [("payment", payment_id)] + ([] if order is None else [("order", order)])

    def all(self, kind: str) -> list[Fact]:
        book = self.book
        found: dict[str, Iterable[str]] = {
            "payment": book.payments,
            "order": sorted({one.order for one in book.payments.values() if one.order is not None}),
            "withdrawal": book.withdrawals,
            "refund": book.refunds,
        }
        return [(kind, item_id) for item_id in found[kind]]

    def ask(self, who: str, path: str, body: Any = None, *, key: bool = False) -> httpx.Response:
        self.possible = self.become(self.possible)
        name = str(new_id()) if key else None
        answer = self.site.ask(who, "POST", path, body, key=name)
        if name is not None and answer.status_code != 202:
            self.asked.append(Asked(who, path, body, name, answer))
        return answer

    def make(self, who: str, path: str, body: Any) -> dict[str, Any]:
        """What is always made."""
        answer = self.ask(who, path, body, key=True)
        assert (answer.status_code, answer.json()["status"]) == (201, "pending"), answer.text
        told: dict[str, Any] = answer.json()
        return told

    def created(self, told: dict[str, Any], payment: Payment) -> None:
        self.sessions[told["payment_id"]] = told["session_id"]
        self.possible = [book.created(told["payment_id"], payment) for book in self.possible]
        self.compare([("payment", told["payment_id"])])

    def finish(self, payment_id: str, outcome: Any) -> None:
        body = {"session_id": self.sessions[payment_id], "outcome": outcome}
        answer = self.ask(self.payer(payment_id), "/balance/mock/complete", body)
        self.step(answer, 200, lambda book: book.completed(payment_id, outcome), self.of(payment_id))

    def decide(self, withdrawal_id: str, decision: Any) -> None:
        who = self.book.withdrawals[withdrawal_id].user if decision == "cancel" else ADMIN
        answer = self.ask(who, f"/withdrawals/{withdrawal_id}/{decision}", {"reason": "no"} if decision == "reject" else None)
        told = "decided" if answer.status_code == 200 else None
        self.step(answer, 200, lambda book: book.decided(withdrawal_id, decision), [("withdrawal", withdrawal_id)], told=told)

    def step(
        self,
        answer: httpx.Response,
        done: int,
        act: Callable[[Model], tuple[str, Model]],
        facts: Sequence[Fact],
        *,
        told: str | None = None,
    ) -> None:
        """Goes on with those of the possible books that expected this answer: `done` with this status, or a refusal with this code."""
        body = answer.json()
        code = body.get("code") or told or body["status"]
        heard = ("too late" if code in _TOO_LATE else code, answer.status_code)
        expected = [act(book) for book in self.possible]
        answers = {(one, _STATUSES.get(one, done)) for one, _ in expected}
        assert heard in answers, f"answered {heard}, expected one of {answers}: {answer.text}"
        self.possible = [book for one, book in expected if one == heard[0]]
        self.heard[act.__qualname__.split(".")[1], heard[0]] += 1
        self.compare(facts)

    def compare(self, facts: Iterable[Fact]) -> None:
        """What is told soon agrees with one of the possible books; the others are ruled out."""
        self.possible = agreeing(self.site, self.possible, [*self.balances, *facts], self.currency, WAIT_SECONDS)

    def become(self, books: Iterable[Model]) -> list[Model]:
        return [later for book in books for later in book.become()]


def agreeing(site: Site, possible: Sequence[Model], facts: Sequence[Fact], currency: str, wait_seconds: float) -> list[Model]:
    """Those of the books, or of what they may have become, that tell what the services tell. The services have a while to come to it."""
    deadline = time.monotonic() + wait_seconds
    later = [book for one in possible for book in one.become()]
    while True:
        seen = site.look(facts, currency)
        found = [book for book in later if all(book.tells(*fact) == told for fact, told in seen.items())]
        if found:
            return [book for number, book in enumerate(found) if book not in found[:number]]
        nearest = min(later, key=lambda book: sum(book.tells(*fact) != told for fact, told in seen.items()))
        different = {fact: (told, nearest.tells(*fact)) for fact, told in seen.items() if nearest.tells(*fact) != told}
        assert time.monotonic() < deadline, f"(told, expected): {different}\nof {len(later)} books, the nearest: {nearest}"
        time.sleep(0.02)

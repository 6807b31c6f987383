"""One Stripe account's shelves and balance: what every part of the book shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from tests.emulators.stripe.errors import missing
from tests.emulators.stripe.objects import Charge, Json, PaymentIntent, PaymentMethod
from tests.emulators.stripe.outgoing import Dispute, Payout, Refund

_OBJECTS_MAX: Final = 200_000


class _Object(Protocol):
    id: str

    def view(self) -> Json: ...


T = TypeVar("T", bound=_Object)


class Shelf(Generic[T]):
    """Objects of one kind, in the order they were made."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._objects: dict[str, T] = {}

    def put(self, one: T) -> T:
        if len(self._objects) >= _OBJECTS_MAX:
            raise RuntimeError(f"more than {_OBJECTS_MAX} of {self._kind}")
        self._objects[one.id] = one
        return one

    def get(self, key: str, param: str = "id") -> T:
        """Refusal: resource_missing."""
        if key not in self._objects:
            raise missing(self._kind, key, param)
        return self._objects[key]

    def find(self, key: str) -> T | None:
        return self._objects.get(key)

    def oldest_first(self) -> list[T]:
        return list(self._objects.values())


class Emit(Protocol):
    def __call__(self, kind: str, shown: Json, previous: Json | None = None) -> None:
        """Something happened: the event's type, the object as it is now, and what it was before where an update tells."""


@dataclass(slots=True)
class Manners:
    """What the stand-in does where Stripe's own doing depends on the day, or is not known.

    `settle_seconds`: when a slow payment or refund comes to its end by itself (None: only by the controls).
    `tells_releases`: an authorisation that is let go is told as a refund too.
    """

    settle_seconds: float | None = None
    tells_releases: bool = False


class Account:
    """`now`: unix seconds. `later(seconds, action)` calls when that long is over. `address()`: of this stand-in, for its pages."""

    def __init__(
        self,
        *,
        emit: Emit,
        now: Callable[[], int],
        later: Callable[[float, Callable[[], None]], None],
        address: Callable[[], str],
        manners: Manners,
    ) -> None:
        self.emit = emit
        self.now = now
        self.address = address
        self.manners = manners
        self._later = later
        self.methods: Shelf[PaymentMethod] = Shelf("PaymentMethod")
        self.intents: Shelf[PaymentIntent] = Shelf("payment_intent")
        self.charges: Shelf[Charge] = Shelf("charge")
        self.refunds: Shelf[Refund] = Shelf("refund")
        self.disputes: Shelf[Dispute] = Shelf("dispute")
        self.payouts: Shelf[Payout] = Shelf("payout")
        self.balance: Counter[str] = Counter()
        self.on_credit: Callable[[str], None] = lambda _: None

    def credit(self, currency: str, amount: int) -> None:
        """Money comes to the merchant's balance; refunds that waited for it go on."""
        self.balance[currency] += amount
        self.on_credit(currency)

    def in_time(self, action: Callable[[], None]) -> None:
        """What the world does some day, if the manners say when."""
        if self.manners.settle_seconds is not None:
            self._later(self.manners.settle_seconds, action)

    def shelf_of(self, key: str) -> Shelf[PaymentIntent] | Shelf[Charge] | Shelf[PaymentMethod] | Shelf[Refund] | None:
        """By an id's beginning: what a field that holds an id can be expanded to."""
        shelves: Mapping[str, Shelf[PaymentIntent] | Shelf[Charge] | Shelf[PaymentMethod] | Shelf[Refund]] = {
            "pi": self.intents,
            "ch": self.charges,
            "pm": self.methods,
            "re": self.refunds,
        }
        return shelves.get(key.partition("_")[0])


def before_of(before: Json, after: Json) -> Json:
    """previous_attributes: of the members that have changed, what they were."""
    return {name: value for name, value in before.items() if after.get(name) != value}

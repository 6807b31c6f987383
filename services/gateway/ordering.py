"""An order as it is asked for, by the API or by its form: whose it is, and the command that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pydantic import JsonValue

from services.gateway.auth import Caller
from services.gateway.commands import Issued
from services.gateway.guests import guest_callers
from services.gateway.idempotency import caller_of
from shared.contracts.base import new_id
from shared.contracts.orders import CreateOrder
from shared.keys import Keys


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an order form holds, read; `email` or `phone` is there. `dated_when_ordered`: a birth_date that is left out is today."""

    product: str
    email: str | None
    phone: str | None
    birth_date: date | None
    points: JsonValue
    method: str | None
    locale: str
    dated_when_ordered: bool = False
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Orderer:
    """Whose order it is: `name` scopes its key, `former` are the same guest's names under secrets that are being rolled out of use."""

    user_id: str | None
    name: str
    former: tuple[str, ...]


def orderer(keys: Keys, caller: Caller | None, wanted: Wanted) -> Orderer:
    """Whoever is logged in, else a guest, who is told apart by whom they want to be reached."""
    if caller is not None:
        return Orderer(caller.user_id, caller_of(caller.user_id), ())
    name, *former = guest_callers(keys, wanted.email, wanted.phone)
    return Orderer(None, name, tuple(former))


def create_order_command(issued: Issued, who: Orderer, wanted: Wanted) -> CreateOrder:
    """`issued` by `who.name`; the order's id is the issued one."""
    return CreateOrder(
        **issued.envelope,
        order_id=issued.resource_id,
        payment_id=new_id(),
        user_id=who.user_id,
        former_callers=who.former,
        product=wanted.product,
        email=wanted.email,
        phone=wanted.phone,
        birth_date=wanted.birth_date,
        dated_when_ordered=wanted.dated_when_ordered,
        points=wanted.points,
        method=wanted.method,
        locale=wanted.locale,
        external_id=wanted.external_id,
        metadata=dict(wanted.metadata),
    )

"""Orders: made with their first payment, paid again where a session did not lead to a payment, or marked as paid by an admin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import asyncpg

from services.payments import idempotency
from services.payments.domain import orders as domain
from services.payments.domain import payments, refusals
from services.payments.domain.facts import Paid
from services.payments.domain.orders import SESSIONS_MAX, Form, Order
from services.payments.domain.payments import Moved, NextStep, Payment, Status
from services.payments.fulfilment.base import InvalidForm, Locale
from services.payments.handlers.once import Once, check_deadline
from services.payments.handlers.opening import Opening
from services.payments.handlers.settlement import Settlement
from services.payments.products import Product
from services.payments.providers.base import BeingPaid, Canceled, Payer
from services.payments.store import audit
from services.payments.store import orders as store
from services.payments.store import payments as payment_store
from services.payments.store.orders import Seals
from shared.contracts.base import utc_now
from shared.contracts.orders import CreateOrder, CreateOrderPayment, MarkOrderPaid, OrderCreated, OrderMarkedPaid
from shared.contracts.payment_commands import CommandReply, FieldProblem, Refused
from shared.money import Money
from shared.postgres import Connection, connection

OrderReply = CommandReply[OrderCreated]
MarkedReply = CommandReply[OrderMarkedPaid]

_CREDITED_ONCE: Final = "payments_credit_reference_key"


@dataclass(frozen=True, slots=True)
class Orders:
    """`products`: what is on sale."""

    opening: Opening
    settlement: Settlement
    products: Mapping[str, Product]
    seals: Seals

    async def create(self, command: CreateOrder) -> OrderReply:
        """Makes the order, its payment and its session once per key; any repeat gets the first answer. A form that does not hold what the
        product needs leaves no trace: its key may be used for the corrected one. NotYet when the provider did not tell."""
        command = await self._as_before(command)
        once: Once[OrderCreated] = Once(self.opening.pool, self.opening.answers, OrderReply)

        async def make(tx: Connection, payment_id: UUID) -> Payment:
            # What it raises undoes the claim of the key, and only a request that is no repeat comes here.
            product = self._product(command)
            form = _checked(command, product)
            chosen = self.opening.choose(command.method, Money(product.price.amount_minor, product.price.currency), command.correlation_id)
            order = await self._write_down(tx, _order(command, product, chosen.refusal), form)
            return self._payment(order, payment_id, chosen.provider, command.correlation_id, order.refusal)

        try:
            return await self.opening.open(command, command.payment_id, once, make, _created, payer=Payer(command.email, command.phone))
        except InvalidForm as error:
            return OrderReply(answer=_malformed(command.correlation_id, error.problems))

    async def pay_again(self, command: CreateOrderPayment) -> OrderReply:
        """One more payment of an order that nobody has paid, under the same rules; sessions before it are ended where they can be."""
        once: Once[OrderCreated] = Once(self.opening.pool, self.opening.answers, OrderReply)

        async def make(tx: Connection, payment_id: UUID) -> Payment | Refused:
            sessions = await payment_store.lock_of_order(tx, command.order_id)
            order = (await store.lock_orders(tx, [command.order_id])).get(command.order_id)
            if order is None:
                return refusals.order_not_found(command.correlation_id)
            if (refusal := _not_payable(order, sessions, command.correlation_id)) is not None:
                return refusal
            before = sessions[-1].provider if sessions and sessions[-1].provider in self.opening.enabled else None
            chosen = self.opening.choose(command.method or before, order.money, command.correlation_id)
            if chosen.refusal is not None:
                return chosen.refusal
            try:
                await store.hold_external_id(tx, order)
            except store.ExternalIdReused:
                return refusals.external_id_reused(command.correlation_id)
            return self._payment(order, payment_id, chosen.provider, command.correlation_id, None)

        async def before(payment: Payment) -> Refused | None:
            return await self._end_older(payment, command.correlation_id)

        payer = await self._payer(command.order_id)
        return await self.opening.open(command, command.payment_id, once, make, _created, before, payer)

    async def mark_paid(self, command: MarkOrderPaid) -> MarkedReply:
        """The order's newest payment (that was not refused) completes under the admin's reference; repeats get the same answer."""
        once: Once[OrderMarkedPaid] = Once(self.opening.pool, self.opening.answers, MarkedReply)
        moved: list[Payment] = []

        async def work(tx: Connection, _: UUID | None) -> MarkedReply:
            check_deadline(command)
            return MarkedReply(answer=await self._mark(tx, command, moved))

        reply = await once.begin(command, work)
        self.settlement.wake(moved)
        return reply

    def _product(self, command: CreateOrder) -> Product:
        product = self.products.get(command.product)
        if product is None:
            raise InvalidForm(_problem("product", f"must be one of {', '.join(self.products)}"))
        return product

    async def _mark(self, tx: Connection, command: MarkOrderPaid, moved: list[Payment]) -> OrderMarkedPaid | Refused:
        sessions = await payment_store.lock_of_order(tx, command.order_id)
        order = (await store.lock_orders(tx, [command.order_id])).get(command.order_id)
        if order is None:
            return refusals.order_not_found(command.correlation_id)
        if order.marked_reference == command.reference:
            return _marked(order, next(one for one in sessions if one.payment_id == order.paid_payment_id), command.reference)
        if order.refusal is not None:
            return _refused_order(command.correlation_id)
        newest = next((one for one in reversed(sessions) if one.refusal is None), sessions[-1])
        assert newest.session_id is not None
        decision = payments.settle(newest, Paid(newest.session_id, command.reference, newest.money, utc_now()))
        if order.paid_payment_id is not None or not isinstance(decision, Moved):
            return refusals.already_paid(command.correlation_id)
        try:
            async with tx.transaction():
                await self.settlement.write(tx, [(decision.payment, command.correlation_id)])
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == _CREDITED_ONCE:
                return Refused(
                    code="reference_in_use", detail="Another payment has this charge reference.", request_id=command.correlation_id
                )
            raise
        await store.note_marked(tx, order.order_id, command.reference)
        await audit.write_down(
            tx,
            actor=f"user:{command.admin_user_id}",
            action="order.mark_paid",
            resource=f"order:{order.order_id}",
            request_id=command.correlation_id,
            payment_id=newest.payment_id,
            reference=command.reference,
            reason=command.reason,
        )
        moved.append(decision.payment)
        return _marked(order, decision.payment, command.reference)

    async def _write_down(self, tx: Connection, order: Order, form: Form) -> Order:
        """The order as it is in the table: refused when its external_id is in use."""
        try:
            await store.insert_order(tx, self.seals, order, form)
        except store.ExternalIdReused:
            order = domain.refuse(order, refusals.external_id_reused(order.correlation_id))
            await store.insert_order(tx, self.seals, order, form)
        return order

    async def _payer(self, order_id: UUID) -> Payer:
        async with connection(self.opening.pool) as db:
            form = await store.find_form(db, self.seals, order_id) if await store.find_order(db, order_id) else None
        return Payer() if form is None else Payer(form.email, form.phone)

    async def _end_older(self, payment: Payment, request_id: str) -> Refused | None:
        """Ends the order's sessions before `payment`, so that nobody pays twice; refused when one of them, or a newer one, has paid it."""
        assert payment.order_id is not None
        async with connection(self.opening.pool) as db:
            sessions = await payment_store.list_of_order(db, payment.order_id)
        older = sessions[: [one.payment_id for one in sessions].index(payment.payment_id)]
        for session in older:
            provider = self.opening.providers.get(session.provider)
            if session.status is Status.PENDING and provider is not None:
                ended = await provider.cancel(session)
                if isinstance(ended, BeingPaid):
                    await self.settlement.settle_ended(Canceled(), payment, expired=False)
                    return refusals.being_paid(request_id)
                await self.settlement.settle_ended(ended, session, expired=False)
        async with connection(self.opening.pool) as db:
            order = await store.find_order(db, payment.order_id)
        if order is None or order.paid_payment_id in (None, payment.payment_id):
            return None
        await self.settlement.settle_ended(Canceled(), payment, expired=False)
        return refusals.already_paid(request_id)

    async def _as_before(self, command: CreateOrder) -> CreateOrder:
        """A repeat after its caller's name has changed with SECRET_KEY is still the same request."""
        async with connection(self.opening.pool) as db:
            caller = await idempotency.known_caller(db, command.idempotency, command.former_callers)
        if caller is None:
            return command
        return command.model_copy(update={"idempotency": command.idempotency.model_copy(update={"caller": caller})})

    def _payment(self, order: Order, payment_id: UUID, provider: str, correlation_id: str, refusal: Refused | None) -> Payment:
        begins: Any = self.opening.begins(refusal)
        return Payment(
            payment_id=payment_id,
            user_id=order.user_id,
            kind="order",
            provider=provider,
            money=order.money,
            locale=order.locale,
            correlation_id=correlation_id,
            caller=order.caller,
            order_id=order.order_id,
            description=order.title,
            external_id=order.external_id,
            metadata=order.metadata,
            **begins,
        )


def _order(command: CreateOrder, product: Product, refusal: Refused | None) -> Order:
    now = utc_now()
    locale = cast(Locale, command.locale)
    order = Order(
        order_id=command.order_id,
        product=product.product_id,
        caller=command.idempotency.caller,
        user_id=command.user_id,
        title=product.titles[locale],
        money=Money(product.price.amount_minor, product.price.currency),
        locale=locale,
        fulfilment="none" if product.fulfiller is None else "waiting",
        correlation_id=command.correlation_id,
        created_at=now,
        updated_at=now,
        external_id=command.external_id,
        metadata=command.metadata,
    )
    return order if refusal is None else domain.refuse(order, refusal)


def _checked(command: CreateOrder, product: Product) -> Form:
    """InvalidForm names every bad field."""
    if command.locale not in product.titles:
        raise InvalidForm(_problem("locale", f"must be one of {', '.join(product.titles)}"))
    if command.email is None and command.phone is None:
        raise InvalidForm(_problem("email", "is required, or phone"))
    ordered_on = utc_now().date()
    birth_date = ordered_on if command.birth_date is None and command.dated_when_ordered else command.birth_date
    if product.fulfiller is not None:
        points = product.fulfiller.validate(command.points, birth_date, ordered_on)
    elif command.points:
        raise InvalidForm(_problem("points", "are none of this product's"))
    else:
        points = ()
    return Form(email=command.email, phone=command.phone, birth_date=birth_date, points=points)


def _not_payable(order: Order, sessions: list[Payment], request_id: str) -> Refused | None:
    if order.refusal is not None:
        return _refused_order(request_id)
    if order.paid_payment_id is not None:
        return refusals.already_paid(request_id)
    if order.pruned:
        return Refused(code="order_failed", detail="The order is too old; make a new one.", request_id=request_id)
    if len(sessions) >= SESSIONS_MAX:
        return Refused(code="too_many_payments", detail=f"An order has at most {SESSIONS_MAX} payments.", request_id=request_id)
    return None


def _refused_order(request_id: str) -> Refused:
    return Refused(code="order_failed", detail="The order was refused; make a new one.", request_id=request_id)


def _problem(field: str, msg: str) -> FieldProblem:
    return FieldProblem(loc=("body", field), msg=msg)


def _malformed(request_id: str, problems: tuple[FieldProblem, ...]) -> Refused:
    names = ", ".join(dict.fromkeys(".".join(map(str, problem.loc)) for problem in problems))
    return Refused(code="invalid_request", detail=f"not valid: {names}", errors=problems, request_id=request_id)


def _created(payment: Payment, step: NextStep) -> OrderCreated:
    assert payment.order_id is not None
    assert payment.session_id is not None
    assert step.url is not None
    assert payment.expires_at is not None
    return OrderCreated(
        order_id=payment.order_id,
        payment_id=payment.payment_id,
        session_id=payment.session_id,
        payment_url=step.url,
        amount_minor=payment.money.amount_minor,
        currency=payment.money.currency,
        method=payment.provider,
        expires_at=payment.expires_at,
    )


def _marked(order: Order, payment: Payment, reference: str) -> OrderMarkedPaid:
    return OrderMarkedPaid(
        order_id=order.order_id,
        payment_id=payment.payment_id,
        reference=reference,
        amount_minor=order.money.amount_minor,
        currency=order.money.currency,
    )

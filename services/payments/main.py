"""Builds payments and runs it: `python -m services.payments.main`."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from services.payments import consumers
from services.payments.adapters import real_adapters
from services.payments.config import PaymentsSettings
from services.payments.consumers.audit import audit_questions, login_events
from services.payments.consumers.checkout import checkout_questions
from services.payments.consumers.deposits import deposit_commands
from services.payments.consumers.history import history_questions
from services.payments.consumers.intents import intent_commands, session_questions
from services.payments.consumers.mock_controls import mock_control_commands
from services.payments.consumers.operator import operator_questions
from services.payments.consumers.orders import order_commands, order_questions, product_questions
from services.payments.consumers.refunds import refund_commands, refund_questions
from services.payments.consumers.suspense import suspense_commands, suspense_questions
from services.payments.consumers.transfers import transfer_commands, transfer_questions
from services.payments.consumers.views import payment_questions
from services.payments.consumers.withdrawals import withdrawal_commands, withdrawal_questions
from services.payments.domain.capabilities import ANY_AMOUNT
from services.payments.domain.facts import DisputeTold, Fact, PayoutTold, RefundTold
from services.payments.domain.sessions import DEMO
from services.payments.handlers.audit import AuditLog
from services.payments.handlers.balance_payments import BalancePayments
from services.payments.handlers.checkout import Checkout
from services.payments.handlers.confirming import Confirming
from services.payments.handlers.deposits import Deposits
from services.payments.handlers.disputes import DisputeSaga
from services.payments.handlers.fulfilment import Fulfilments
from services.payments.handlers.history import History
from services.payments.handlers.inquiry import Inquiry
from services.payments.handlers.intents import Intents
from services.payments.handlers.mock_controls import MockControls
from services.payments.handlers.mock_page import MockPage
from services.payments.handlers.mock_sessions import MockSessions
from services.payments.handlers.on_sale import OnSale
from services.payments.handlers.opening import Opening
from services.payments.handlers.operator import Operator
from services.payments.handlers.order_views import OrderViews
from services.payments.handlers.orders import Orders
from services.payments.handlers.refund_facts import RefundFacts
from services.payments.handlers.refund_saga import RefundSaga
from services.payments.handlers.refund_views import RefundViews
from services.payments.handlers.refunds import RefundRequests
from services.payments.handlers.sessions import Sessions
from services.payments.handlers.settlement import Follow, Settlement
from services.payments.handlers.suspense import Suspense
from services.payments.handlers.suspense_saga import DisputesToldOf, RefundsToldOf, SuspenseSaga
from services.payments.handlers.transfers import Transfers
from services.payments.handlers.unsent_withdrawals import UnsentWithdrawals
from services.payments.handlers.views import Views
from services.payments.handlers.withdrawal_saga import PURPOSE as DESTINATION
from services.payments.handlers.withdrawal_saga import WithdrawalSaga
from services.payments.handlers.withdrawals import Withdrawals
from services.payments.idempotency import PURPOSE as KEPT_ANSWER
from services.payments.ledger import Ledger
from services.payments.mock_book import MockBook
from services.payments.products import ProductsError, load_products
from services.payments.providers.base import Payouts, Provider, Refunds
from services.payments.providers.mock.adapter import MockProvider
from services.payments.providers.mock.events import MockEvents
from services.payments.providers.mock.payouts import MockPayouts, MockReturns
from services.payments.providers.mock.refunds import MockRefundEvents, MockRefunds
from services.payments.reconciler import Reconciler
from services.payments.retention import Retention
from services.payments.sagas import Saga, SagaRunner
from services.payments.store import marks
from services.payments.store import sessions as session_store
from services.payments.store.events import PURPOSE as PROVIDER_EVENT
from services.payments.store.next_steps import StepSeals
from services.payments.store.orders import Seals
from services.payments.store.payments import SCHEMA
from shared import migrations, postgres
from shared.asyncapi import asyncapi_document
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import PAYMENTS_COMMANDS, PAYMENTS_QUERIES, route_of
from shared.delivery.broker import BrokerLink
from shared.delivery.dead_letters import count_dead_letters
from shared.delivery.declare import declare_topology
from shared.delivery.errors import BrokerUnavailable
from shared.delivery.publisher import EnvelopePublisher, Publisher
from shared.delivery.relay import Relay
from shared.delivery.requests import Requests
from shared.delivery.server import consuming, make_broker, stop_broker
from shared.health import Health
from shared.operations import HttpServer, listen, operations_app
from shared.process import run
from shared.sealing import Seal
from shared.settings import load
from shared.telemetry import configure_logging
from shared.waiting import Waiters

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

WAITERS_MAX: Final = PAYMENTS_QUERIES.prefetch * 3 // 4
"""Who waits holds one of the queue's deliveries; the rest is kept for questions that are answered at once."""


@asynccontextmanager
async def payments(settings: PaymentsSettings) -> AsyncIterator[None]:
    """Everything of payments, started in the order of its needs and stopped in the reverse: intake first, the connections last."""
    products = load_products(settings.products_file)
    listener = listen(settings.bind_host, settings.payments_port, "PAYMENTS_PORT")
    name = f"payments {socket.gethostname()}:{os.getpid()}"
    if settings.production and settings.of_test_mode:
        log.warning("TEST MODE IN PRODUCTION: whoever pays there has paid nothing, and is credited all the same", of=settings.of_test_mode)
    async with AsyncExitStack() as stack:
        try:
            pool = await postgres.create_pool(settings.database_url, size=settings.database_pool_size, application_name="purser payments")
            stack.push_async_callback(postgres.close_pool, pool)
            await migrations.require_current(pool, SCHEMA, MIGRATIONS)
        except (migrations.MigrationError, OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise SystemExit(f"cannot start: DATABASE_URL: {error or 'the database does not answer'}") from error
        if not settings.production:
            async with postgres.transaction(pool) as tx:
                await session_store.insert_missing(tx, DEMO)
        link = BrokerLink(settings.amqp_url, name=name)
        stack.push_async_callback(link.close)
        await link.start()
        await declare_topology(link)
        publisher = Publisher(link, app_id="payments")
        relay = Relay(pool, publisher, schema=SCHEMA, name=name)
        await relay.start()
        stack.push_async_callback(relay.stop)

        adapters = real_adapters(settings)
        stack.push_async_callback(adapters.close)
        mock: MockProvider | None = None
        providers: dict[str, Provider] = adapters.providers
        if "mock" in settings.enabled or settings.payouts == MockPayouts.name:
            # Also for the stand-in's payouts alone: somebody has to read its events.
            mock = MockProvider(MockBook(pool), settings.keys, base_url=settings.base_url, session_ttl_seconds=settings.session_ttl_seconds)
            providers[mock.name] = mock
        # Those without an adapter here count as known methods without credentials.
        enabled = tuple(name for name in settings.enabled if name in providers)
        if enabled != settings.enabled:
            log.warning("PROVIDERS names some that are not configured", available=enabled)
        await _keep_apart_from_play_money(pool, settings, is_play_money=mock is not None or bool(settings.played_here))
        broker = make_broker(settings.amqp_url, app_id="payments", name=f"{name} commands")
        checks = {"broker": link.check, "database": lambda: postgres.check(pool), "commands": lambda: consuming(broker)}
        health = Health("payments", checks)
        waiters: Waiters[UUID] = Waiters(WAITERS_MAX)
        answers, steps = Seal(settings.data_keys, KEPT_ANSWER), StepSeals.of(settings.data_keys)
        opening = Opening(
            pool,
            providers,
            enabled,
            settings.production,
            timedelta(seconds=settings.session_ttl_seconds),
            settings.reconcile_after_seconds,
            answers,
            steps,
        )
        ledger = Ledger(Requests(link, app_id="payments"))
        payouts: dict[str, Payouts] = adapters.payouts
        if settings.payouts == MockPayouts.name:
            payouts[MockPayouts.name] = MockPayouts(pool)
        withdrawal_saga = WithdrawalSaga(
            pool, ledger, payouts, Seal(settings.data_keys, DESTINATION), relay, settings.withdrawal_auto_approve
        )
        seals = Seals.of(settings.data_keys)
        fulfilments = Fulfilments(pool, products, seals, waiters)
        await fulfilments.try_failed_again()
        refunds: dict[str, Refunds] = adapters.refunds
        if mock is not None:
            refunds[mock.name] = MockRefunds(pool)
        unsent = UnsentWithdrawals(withdrawal_saga)
        refund_saga = RefundSaga(pool, ledger, refunds, unsent, relay)
        suspense_saga = SuspenseSaga(pool, ledger, refunds)
        dispute_saga = DisputeSaga(pool, ledger, unsent)
        transfers = Transfers(pool, answers, ledger)
        sagas: list[Saga] = [withdrawal_saga, refund_saga, fulfilments, suspense_saga, dispute_saga, transfers]
        runner = SagaRunner(sagas)
        sender = providers.get(settings.payouts or "")
        taken = ANY_AMOUNT if sender is None else sender.currencies
        withdrawals = Withdrawals(withdrawal_saga, answers, settings.payouts, runner.wake, taken)
        seal = Seal(settings.data_keys, PROVIDER_EVENT)
        follow: dict[type[Fact], Follow] = {
            PayoutTold: withdrawal_saga.follow,
            RefundTold: RefundsToldOf(suspense_saga, RefundFacts().follow).follow,
            DisputeTold: DisputesToldOf(suspense_saga, dispute_saga.follow).follow,
        }
        settlement = Settlement(pool, providers, relay, waiters, seal, follow, runner.wake)
        suspense = Suspense(pool, answers, suspense_saga, settlement, runner.wake)
        events = EnvelopePublisher[ProviderEventReceived](publisher, route_of(ProviderEventReceived))
        mock_events = MockEvents(pool, settings.keys, events.submit)
        balance_payments = BalancePayments(pool, ledger, settlement)
        inquiry = Inquiry(providers, settlement, balance_payments)
        intents = Intents(opening, balance_payments, settings.keys, fee_bps=settings.platform_fee_bps)
        sessions = Sessions(pool, answers)
        orders = Orders(opening, settlement, products, seals)
        mock_page = MockPage(pool, mock if "mock" in enabled else None, MockBook(pool), settlement, waiters)
        commands = [
            order_commands(orders, mock_page),
            intent_commands(intents, Confirming(pool, answers, inquiry, mock if "mock" in enabled else None), sessions),
            deposit_commands(Deposits(opening), MockSessions(pool, answers, mock if "mock" in enabled else None)),
            withdrawal_commands(withdrawals),
            refund_commands(RefundRequests(pool, answers, refund_saga)),
            suspense_commands(suspense),
            transfer_commands(transfers),
            mock_control_commands(MockControls(pool, answers, "mock" in enabled, mock_events.wake)),
        ]
        audit = AuditLog(pool)
        questions = [
            order_questions(OrderViews(pool, seals, steps, waiters), mock_page),
            product_questions(OnSale(products)),
            session_questions(sessions),
            payment_questions(Views(pool, steps, waiters), health),
            checkout_questions(Checkout(pool, steps.secret, providers, enabled, settings.payouts, taken)),
            history_questions(History(pool, seal)),
            audit_questions(audit),
            withdrawal_questions(withdrawals),
            refund_questions(RefundViews(pool)),
            suspense_questions(suspense),
            transfer_questions(transfers),
            operator_questions(Operator(pool, settings.reconcile_after_seconds, partial(count_dead_letters, link))),
        ]
        consumers.subscribe(broker, PAYMENTS_COMMANDS, publisher, *commands)
        consumers.subscribe(broker, PAYMENTS_QUERIES, publisher, *questions)
        provider_events = consumers.provider_events(link, publisher, settlement)
        logins = login_events(link, publisher, audit)
        reconciler = Reconciler(pool, inquiry, after_seconds=settings.reconcile_after_seconds)
        stack.push_async_callback(stop_broker, broker)
        await broker.start()
        await provider_events.start()
        stack.push_async_callback(provider_events.stop)
        await logins.start()
        stack.push_async_callback(logins.stop)
        await reconciler.start()
        stack.push_async_callback(reconciler.stop)
        retention = Retention(pool, answers, days=settings.retention_days)
        await retention.start()
        stack.push_async_callback(retention.stop)
        await runner.start()
        stack.push_async_callback(runner.stop)
        if mock is not None:
            await mock_events.start()
            stack.push_async_callback(mock_events.stop)
            refund_events = MockRefundEvents(pool, settings.keys, events.submit)
            await refund_events.start()
            stack.push_async_callback(refund_events.stop)
        if settings.payouts == MockPayouts.name:
            returns = MockReturns(pool, settings.keys, events.submit)
            await returns.start()
            stack.push_async_callback(returns.stop)
        http = HttpServer(operations_app(health, asyncapi_document("payments")), listener)
        await http.start()
        stack.push_async_callback(http.stop)
        yield


async def _keep_apart_from_play_money(pool: postgres.Pool, settings: PaymentsSettings, *, is_play_money: bool) -> None:
    """SystemExit when real money would be booked where play money has been."""
    async with postgres.transaction(pool) as tx:
        if is_play_money:
            await marks.note_mock_money(tx)
        elif settings.live and await marks.holds_mock_money(tx):
            raise SystemExit(f"cannot start: DATABASE_URL: this database holds mock money, and {settings.live[0]} is live: use another one")


def main() -> None:
    settings = load(PaymentsSettings)
    configure_logging("payments", settings.log_level)
    try:
        run(lambda: payments(settings))
    except (ProductsError, BrokerUnavailable) as error:
        raise SystemExit(f"cannot start: {error}") from error


if __name__ == "__main__":
    main()

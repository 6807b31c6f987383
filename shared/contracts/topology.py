"""The road map: which message travels through which exchange to which queue, with every limit of that queue spelled out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from shared.contracts.audit import ListAudit, LoginRecorded
from shared.contracts.base import Message
from shared.contracts.checkout import GetCheckout, ListMethods
from shared.contracts.history import GetTimeline, ListPayments
from shared.contracts.intents import CancelPayment, ConfirmPayment, CreateIntent
from shared.contracts.mock_controls import TellMockDispute, TellMockPayment
from shared.contracts.operator import GetFigures, GetHeld, ListSeries, ListStuck
from shared.contracts.orders import (
    CreateOrder,
    CreateOrderPayment,
    EndMockSession,
    GetInterpretation,
    GetMockSession,
    GetOrder,
    GetProduct,
    MarkOrderPaid,
)
from shared.contracts.payment_commands import CompleteMockSession, CreateDeposit
from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated, ProviderEventReceived, WithdrawalUpdated
from shared.contracts.queries import (
    GetBalances,
    GetNotifierHealth,
    GetPayment,
    GetPaymentsHealth,
    GetTransfer,
    GetWalletHealth,
    ListTransactions,
    ListTransfers,
    OpenStream,
)
from shared.contracts.refunds import GetRefund, ListRefunds, RefundPayment
from shared.contracts.sessions import GetSession, GetSessionPayments, PutSession
from shared.contracts.suspense import DecideSuspenseItem, GetSuspenseItem, ListSuspenseItems
from shared.contracts.transfers import GetUserTransfer, MakeTransfer
from shared.contracts.wallet_commands import MoveFunds, ReleaseHold, ReserveFunds, SettleHold
from shared.contracts.wallet_events import BalanceChanged
from shared.contracts.withdrawals import CreateWithdrawal, DecideWithdrawal, GetWithdrawal, ListWithdrawals

Service = Literal["gateway", "payments", "wallet", "notifier"]
Arguments = dict[str, str | int]

DELIVERY_LIMIT: Final = 50
"""How often the broker hands a message out again. High, since a killed consumer's whole prefetch counts; our own attempts decide first."""

MAX_ATTEMPTS: Final = 8
"""Failures of a message's own (never an outage) before it is a dead letter."""

MAX_WAITS: Final = 720
"""How often a message is put off whose time has not come (errors.NotYet) before it is a dead letter: for a day, by the longest delay."""

ENVELOPE_EVENTS: Final = 100
"""Most events of one route in one message."""

ENVELOPE_BYTES: Final = 2_000_000
"""Most bytes of a message with several events: a hundred of the largest webhooks would be more than RabbitMQ 4 takes (16 MiB)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    kind: Literal["topic", "direct", "fanout"] = "topic"


COMMANDS: Final = Exchange("commands")
QUERIES: Final = Exchange("queries")
EVENTS: Final = Exchange("events")
WEBHOOKS: Final = Exchange("webhooks")
DEAD_LETTERS: Final = Exchange("dead-letters", "direct")


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue with its consumer and every limit. Sort `work` keeps: quorum, dead letters at least once, refusing when full. Sort `query`
    forgets: classic, short-lived. Sort `replica` is one process's own: exclusive, gone with it, so classic (quorum queues cannot be)."""

    name: str
    consumer: Service
    purpose: str
    sort: Literal["work", "query", "replica", "dead", "delay"] = "work"
    prefetch: int = 50
    max_length: int = 1_000_000
    ttl_ms: int | None = None

    @property
    def durable(self) -> bool:
        return self.sort != "replica"

    @property
    def exclusive(self) -> bool:
        return self.sort == "replica"

    @property
    def dead_name(self) -> str:
        return f"{self.name}.dead"

    @property
    def arguments(self) -> Arguments:
        match self.sort:
            case "work":
                return {
                    "x-queue-type": "quorum",
                    "x-delivery-limit": DELIVERY_LIMIT,
                    "x-max-length": self.max_length,
                    "x-overflow": "reject-publish",
                    "x-dead-letter-exchange": DEAD_LETTERS.name,
                    "x-dead-letter-routing-key": self.name,
                    "x-dead-letter-strategy": "at-least-once",
                }
            case "query":
                return {"x-queue-type": "classic", "x-max-length": self.max_length, "x-overflow": "reject-publish", "x-message-ttl": 30_000}
            case "replica":
                # A slow replica loses the oldest and notices the gap in the versions; it may not hold the others up.
                return {"x-queue-type": "classic", "x-max-length": self.max_length, "x-overflow": "drop-head"}
            case "dead":
                return {
                    "x-queue-type": "quorum",
                    "x-max-length": self.max_length,
                    "x-overflow": "reject-publish",
                    # To look is to be handed out; RabbitMQ 4 would drop after 20 looks where no limit is named.
                    "x-delivery-limit": 1_000_000,
                }
            case "delay":
                assert self.ttl_ms is not None
                return {
                    "x-queue-type": "quorum",
                    "x-max-length": self.max_length,
                    "x-overflow": "reject-publish",
                    "x-message-ttl": self.ttl_ms,
                    # The default exchange: a delayed message keeps its routing key, which names the queue it goes back to.
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-strategy": "at-least-once",
                }


@dataclass(frozen=True, slots=True)
class Route:
    """One message's way. `bulk`: travels in envelopes of 1..ENVELOPE_EVENTS events; else one message an AMQP message."""

    message: type[Message]
    exchange: Exchange
    producers: tuple[Service, ...]
    queues: tuple[Queue, ...]
    bulk: bool = False
    answers: tuple[str, ...] = field(default=())

    @property
    def key(self) -> str:
        return self.message.TYPE


PAYMENTS_COMMANDS: Final = Queue("payments.commands", "payments", "what people ask of payments")
PAYMENTS_PROVIDER_EVENTS: Final = Queue("payments.provider-events", "payments", "verified webhooks, kept whole", prefetch=200)
PAYMENTS_AUDIT: Final = Queue("payments.audit", "payments", "logins, for the audit log", prefetch=100)
# Some questions wait at the answering side until something is settled: those that wait must not keep the others out.
PAYMENTS_QUERIES: Final = Queue("payments.queries", "payments", "questions about payments", "query", prefetch=1_000, max_length=20_000)
WALLET_PAYMENT_COMPLETED: Final = Queue("wallet.payment-completed", "wallet", "credits", prefetch=200)
WALLET_COMMANDS: Final = Queue("wallet.commands", "wallet", "holds and sets of transfers", prefetch=100)
WALLET_QUERIES: Final = Queue("wallet.queries", "wallet", "balances, transactions, snapshots", "query", prefetch=1_000, max_length=20_000)
NOTIFIER_QUERIES: Final = Queue("notifier.queries", "notifier", "is a notifier there", "query", max_length=1_000)
NOTIFIER_BALANCE_CHANGED: Final = Queue(
    "notifier.balance-changed",
    "notifier",
    "frames; one queue a replica, named <queue>.<replica>",
    "replica",
    prefetch=200,
    max_length=100_000,
)
NOTIFIER_PAYMENTS: Final = Queue(
    "notifier.payments",
    "notifier",
    "frames of payments and withdrawals; one queue a replica, named <queue>.<replica>",
    "replica",
    prefetch=200,
    max_length=100_000,
)

ROUTES: Final[tuple[Route, ...]] = (
    Route(CreateDeposit, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("deposit-created.v1", "refused.v1")),
    Route(CompleteMockSession, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("mock-session-decided.v1", "refused.v1")),
    Route(
        CreateWithdrawal,
        COMMANDS,
        ("gateway",),
        (PAYMENTS_COMMANDS,),
        answers=("withdrawal-view.v1", "refused.v1", "in-progress.v1"),
    ),
    Route(
        DecideWithdrawal,
        COMMANDS,
        ("gateway",),
        (PAYMENTS_COMMANDS,),
        answers=("withdrawal-view.v1", "refused.v1", "in-progress.v1"),
    ),
    Route(RefundPayment, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("refund-made.v1", "in-progress.v1", "refused.v1")),
    Route(PutSession, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("session-saved.v1", "refused.v1")),
    Route(CreateIntent, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("intent-created.v1", "refused.v1", "in-progress.v1")),
    Route(ConfirmPayment, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("payment-confirmed.v1", "refused.v1")),
    Route(CancelPayment, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("payment-canceled.v1", "refused.v1")),
    Route(CreateOrder, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("order-created.v1", "refused.v1")),
    Route(CreateOrderPayment, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("order-created.v1", "refused.v1")),
    Route(MarkOrderPaid, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("order-marked-paid.v1", "refused.v1")),
    Route(EndMockSession, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("mock-session-ended.v1", "refused.v1")),
    Route(
        DecideSuspenseItem,
        COMMANDS,
        ("gateway",),
        (PAYMENTS_COMMANDS,),
        answers=("suspense-item-view.v1", "refused.v1", "in-progress.v1"),
    ),
    Route(MakeTransfer, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("user-transfer-view.v1", "refused.v1", "in-progress.v1")),
    Route(TellMockPayment, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("mock-event-scheduled.v1", "refused.v1")),
    Route(TellMockDispute, COMMANDS, ("gateway",), (PAYMENTS_COMMANDS,), answers=("mock-event-scheduled.v1", "refused.v1")),
    Route(ProviderEventReceived, WEBHOOKS, ("gateway", "payments"), (PAYMENTS_PROVIDER_EVENTS,), bulk=True),
    Route(PaymentCompleted, EVENTS, ("payments",), (WALLET_PAYMENT_COMPLETED, NOTIFIER_PAYMENTS), bulk=True),
    Route(PaymentUpdated, EVENTS, ("payments",), (NOTIFIER_PAYMENTS,), bulk=True),
    Route(WithdrawalUpdated, EVENTS, ("payments",), (NOTIFIER_PAYMENTS,), bulk=True),
    Route(LoginRecorded, EVENTS, ("gateway",), (PAYMENTS_AUDIT,), bulk=True),
    Route(MoveFunds, COMMANDS, ("payments",), (WALLET_COMMANDS,), answers=("funds-moved.v1", "refused.v1")),
    Route(ReserveFunds, COMMANDS, ("payments",), (WALLET_COMMANDS,), answers=("funds-reserved.v1", "refused.v1")),
    Route(SettleHold, COMMANDS, ("payments",), (WALLET_COMMANDS,), answers=("hold-settled.v1", "refused.v1")),
    Route(ReleaseHold, COMMANDS, ("payments",), (WALLET_COMMANDS,), answers=("hold-released.v1", "refused.v1")),
    Route(BalanceChanged, EVENTS, ("wallet",), (NOTIFIER_BALANCE_CHANGED,), bulk=True),
    Route(GetPayment, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("payment-view.v1", "refused.v1")),
    Route(GetWithdrawal, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("withdrawal-view.v1", "refused.v1")),
    Route(ListWithdrawals, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("withdrawal-page.v1", "refused.v1")),
    Route(GetRefund, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("refund-view.v1", "refund-refused.v1", "refused.v1")),
    Route(ListRefunds, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("refund-page.v1", "refused.v1")),
    Route(GetSession, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("session-view.v1", "refused.v1")),
    Route(GetSessionPayments, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("session-payments.v1",)),
    Route(GetProduct, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("product-view.v1", "refused.v1")),
    Route(GetOrder, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("order-view.v1", "refused.v1")),
    Route(GetInterpretation, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("interpretation.v1", "refused.v1")),
    Route(GetMockSession, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("mock-session-view.v1", "refused.v1")),
    Route(GetCheckout, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("checkout-view.v1", "refused.v1")),
    Route(ListMethods, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("methods-view.v1",)),
    Route(ListPayments, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("payment-list.v1", "refused.v1")),
    Route(GetTimeline, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("timeline-view.v1", "refused.v1")),
    Route(ListAudit, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("audit-page.v1", "refused.v1")),
    Route(GetSuspenseItem, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("suspense-item-view.v1", "refused.v1")),
    Route(ListSuspenseItems, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("suspense-page.v1", "refused.v1")),
    Route(GetFigures, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("figures-view.v1", "refused.v1")),
    Route(ListSeries, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("series-view.v1", "refused.v1")),
    Route(ListStuck, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("stuck-view.v1", "refused.v1")),
    Route(GetUserTransfer, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("user-transfer-view.v1", "refused.v1")),
    Route(GetPaymentsHealth, QUERIES, ("gateway",), (PAYMENTS_QUERIES,), answers=("health-view.v1",)),
    Route(GetTransfer, QUERIES, ("gateway", "payments"), (WALLET_QUERIES,), answers=("transfer-view.v1",)),
    Route(GetBalances, QUERIES, ("gateway", "notifier", "payments"), (WALLET_QUERIES,), answers=("balances-view.v1",)),
    Route(ListTransactions, QUERIES, ("gateway",), (WALLET_QUERIES,), answers=("transaction-page.v1", "refused.v1")),
    Route(ListTransfers, QUERIES, ("gateway",), (WALLET_QUERIES,), answers=("transfers-view.v1",)),
    Route(GetHeld, QUERIES, ("gateway",), (WALLET_QUERIES,), answers=("held-view.v1",)),
    Route(OpenStream, QUERIES, ("notifier",), (WALLET_QUERIES,), answers=("stream-opened.v1",)),
    Route(GetWalletHealth, QUERIES, ("gateway",), (WALLET_QUERIES,), answers=("health-view.v1",)),
    Route(GetNotifierHealth, QUERIES, ("gateway",), (NOTIFIER_QUERIES,), answers=("health-view.v1",)),
)

DELAYS_SECONDS: Final = (1, 5, 30, 120)
"""Delayed retry: one queue a delay, since mixed times to live block each other at a queue's head."""


def delay_exchange(seconds: int) -> Exchange:
    return Exchange(f"retry.{seconds}s", "fanout")


def delay_queue(seconds: int) -> Queue:
    return Queue(f"retry.{seconds}s", "payments", f"waits {seconds} s, then goes back to its queue", "delay", ttl_ms=seconds * 1000)


EXCHANGES: Final = (COMMANDS, QUERIES, EVENTS, WEBHOOKS, DEAD_LETTERS, *(delay_exchange(s) for s in DELAYS_SECONDS))


def work_queues() -> tuple[Queue, ...]:
    """Queues whose messages must not be lost; each has its dead-letter queue."""
    return tuple(dict.fromkeys(q for r in ROUTES for q in r.queues if q.sort == "work"))


def dead_queue(queue: Queue) -> Queue:
    return Queue(queue.dead_name, queue.consumer, f"dead letters of {queue.name}", "dead")


def durable_queues() -> tuple[Queue, ...]:
    """Every queue that outlives a process, in the order in which they are declared."""
    routed = tuple(dict.fromkeys(q for r in ROUTES for q in r.queues if q.durable))
    return (*routed, *(dead_queue(q) for q in work_queues()), *(delay_queue(s) for s in DELAYS_SECONDS))


def routes_to(queue: Queue) -> tuple[Route, ...]:
    return tuple(r for r in ROUTES if queue in r.queues)


def route_of(message: type[Message]) -> Route:
    """The one route of a message; KeyError for a message that travels nowhere."""
    for route in ROUTES:
        if route.message is message:
            return route
    raise KeyError(message.__name__)

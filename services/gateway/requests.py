"""Commands to payments and questions to payments, wallet and notifier, with what their silence means for the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import structlog
from pydantic import Field, TypeAdapter

from services.gateway.problems import Problem, RefusedByDecision
from shared.contracts.audit import AuditPage
from shared.contracts.base import Message
from shared.contracts.checkout import CheckoutView, MethodsView
from shared.contracts.history import PaymentList, TimelineView
from shared.contracts.intents import IntentCreated, PaymentCanceled, PaymentConfirmed
from shared.contracts.operator import FiguresView, HeldView, SeriesView, StuckView
from shared.contracts.orders import Interpretation, MockSessionEnded, MockSessionView, OrderCreated, OrderMarkedPaid, OrderView, ProductView
from shared.contracts.payment_commands import CommandReply, DepositCreated, MockSessionDecided, Refused
from shared.contracts.queries import BalancesView, HealthView, PaymentView, TransactionPage, TransfersView, TransferView
from shared.contracts.refunds import RefundMade, RefundPage, RefundRefused, RefundView
from shared.contracts.sessions import SessionPayments, SessionSaved, SessionView
from shared.contracts.suspense import SuspenseItemView, SuspensePage
from shared.contracts.withdrawals import WithdrawalPage, WithdrawalView
from shared.delivery.errors import BrokerUnavailable, Busy, NoAnswer, Unroutable
from shared.delivery.requests import Requests

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

DEPOSIT: Final[TypeAdapter[CommandReply[DepositCreated]]] = TypeAdapter(CommandReply[DepositCreated])
MOCK_SESSION: Final[TypeAdapter[CommandReply[MockSessionDecided]]] = TypeAdapter(CommandReply[MockSessionDecided])
INTENT: Final[TypeAdapter[CommandReply[IntentCreated]]] = TypeAdapter(CommandReply[IntentCreated])
CONFIRMED: Final[TypeAdapter[CommandReply[PaymentConfirmed]]] = TypeAdapter(CommandReply[PaymentConfirmed])
CANCELED: Final[TypeAdapter[CommandReply[PaymentCanceled]]] = TypeAdapter(CommandReply[PaymentCanceled])
SESSION_SAVED: Final[TypeAdapter[CommandReply[SessionSaved]]] = TypeAdapter(CommandReply[SessionSaved])
SESSION: Final[TypeAdapter[SessionView | Refused]] = TypeAdapter(Annotated[SessionView | Refused, Field(discriminator="type")])
SESSION_PAYMENTS: Final[TypeAdapter[SessionPayments]] = TypeAdapter(SessionPayments)
PAYMENT: Final[TypeAdapter[PaymentView | Refused]] = TypeAdapter(Annotated[PaymentView | Refused, Field(discriminator="type")])
TRANSFER: Final[TypeAdapter[TransferView]] = TypeAdapter(TransferView)
TRANSFERS: Final[TypeAdapter[TransfersView]] = TypeAdapter(TransfersView)
BALANCES: Final[TypeAdapter[BalancesView]] = TypeAdapter(BalancesView)
TRANSACTIONS: Final[TypeAdapter[TransactionPage | Refused]] = TypeAdapter(Annotated[TransactionPage | Refused, Field(discriminator="type")])
ORDER_CREATED: Final[TypeAdapter[CommandReply[OrderCreated]]] = TypeAdapter(CommandReply[OrderCreated])
MARKED_PAID: Final[TypeAdapter[CommandReply[OrderMarkedPaid]]] = TypeAdapter(CommandReply[OrderMarkedPaid])
PRODUCT: Final[TypeAdapter[ProductView | Refused]] = TypeAdapter(Annotated[ProductView | Refused, Field(discriminator="type")])
ORDER: Final[TypeAdapter[OrderView | Refused]] = TypeAdapter(Annotated[OrderView | Refused, Field(discriminator="type")])
INTERPRETATION: Final[TypeAdapter[Interpretation | Refused]] = TypeAdapter(Annotated[Interpretation | Refused, Field(discriminator="type")])
MOCK_PAGE: Final[TypeAdapter[MockSessionView | Refused]] = TypeAdapter(Annotated[MockSessionView | Refused, Field(discriminator="type")])
MOCK_ENDED: Final[TypeAdapter[CommandReply[MockSessionEnded]]] = TypeAdapter(CommandReply[MockSessionEnded])
CHECKOUT: Final[TypeAdapter[CheckoutView | Refused]] = TypeAdapter(Annotated[CheckoutView | Refused, Field(discriminator="type")])
METHODS: Final[TypeAdapter[MethodsView]] = TypeAdapter(MethodsView)
PAYMENTS: Final[TypeAdapter[PaymentList | Refused]] = TypeAdapter(Annotated[PaymentList | Refused, Field(discriminator="type")])
TIMELINE: Final[TypeAdapter[TimelineView | Refused]] = TypeAdapter(Annotated[TimelineView | Refused, Field(discriminator="type")])
REFUNDED: Final[TypeAdapter[CommandReply[RefundMade]]] = TypeAdapter(CommandReply[RefundMade])
REFUND: Final[TypeAdapter[RefundView | RefundRefused | Refused]] = TypeAdapter(
    Annotated[RefundView | RefundRefused | Refused, Field(discriminator="type")]
)
REFUNDS: Final[TypeAdapter[RefundPage | Refused]] = TypeAdapter(Annotated[RefundPage | Refused, Field(discriminator="type")])
WITHDRAWN: Final[TypeAdapter[CommandReply[WithdrawalView]]] = TypeAdapter(CommandReply[WithdrawalView])
WITHDRAWAL: Final[TypeAdapter[WithdrawalView | Refused]] = TypeAdapter(Annotated[WithdrawalView | Refused, Field(discriminator="type")])
WITHDRAWALS: Final[TypeAdapter[WithdrawalPage | Refused]] = TypeAdapter(Annotated[WithdrawalPage | Refused, Field(discriminator="type")])
SUSPENSE_DECIDED: Final[TypeAdapter[CommandReply[SuspenseItemView]]] = TypeAdapter(CommandReply[SuspenseItemView])
SUSPENSE_ITEM: Final[TypeAdapter[SuspenseItemView | Refused]] = TypeAdapter(
    Annotated[SuspenseItemView | Refused, Field(discriminator="type")]
)
SUSPENSE_ITEMS: Final[TypeAdapter[SuspensePage | Refused]] = TypeAdapter(Annotated[SuspensePage | Refused, Field(discriminator="type")])
AUDIT: Final[TypeAdapter[AuditPage | Refused]] = TypeAdapter(Annotated[AuditPage | Refused, Field(discriminator="type")])
FIGURES: Final[TypeAdapter[FiguresView | Refused]] = TypeAdapter(Annotated[FiguresView | Refused, Field(discriminator="type")])
SERIES: Final[TypeAdapter[SeriesView | Refused]] = TypeAdapter(Annotated[SeriesView | Refused, Field(discriminator="type")])
STUCK: Final[TypeAdapter[StuckView | Refused]] = TypeAdapter(Annotated[StuckView | Refused, Field(discriminator="type")])
HELD: Final[TypeAdapter[HeldView]] = TypeAdapter(HeldView)
HEALTH: Final[TypeAdapter[HealthView]] = TypeAdapter(HealthView)


@dataclass(frozen=True, slots=True)
class Services:
    """The services behind, as the gateway sees them. `timeout_seconds`: the waiting time (RPC_TIMEOUT_SECONDS)."""

    requests: Requests
    timeout_seconds: float

    async def ask(self, message: Message, answers: TypeAdapter[Answer], *, timeout_seconds: float | None = None) -> Answer | None:
        """The answer; None when the message was handed over, or may have been, and no answer came in time.

        Problems: broker_unavailable and busy, when nothing has left.
        """
        timeout = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            return await self.requests.ask(message, answers, timeout_seconds=timeout)
        except NoAnswer:
            log.warning("no answer in time", asked=message.TYPE, seconds=timeout)
            return None
        except Busy as error:
            raise Problem("busy", "too much is waiting already; nothing was done") from error
        except (BrokerUnavailable, Unroutable) as error:
            log.warning("nothing left the gateway", asked=message.TYPE, error=type(error).__name__)
            raise Problem("broker_unavailable", "the request could not be handed over; nothing was done") from error

    async def question(self, message: Message, answers: TypeAdapter[Answer]) -> Answer:
        """The answer to a question, which may be asked again at any time: silence is 503, never 202.

        Problems: broker_unavailable, busy, no_answer; RefusedByDecision for a refusal.
        """
        answer = await self.ask(message, answers)
        if answer is None:
            raise Problem("no_answer", "the service behind did not answer in time")
        if isinstance(answer, Refused):
            raise RefusedByDecision(answer)
        return answer

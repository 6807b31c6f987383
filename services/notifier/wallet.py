"""What notifier asks wallet: the snapshot that opens a socket (and uses its ticket up), and many users' balances at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter

from services.notifier.admission import Admitted
from services.notifier.frames import Balance
from shared.contracts.base import new_id
from shared.contracts.queries import MAX_USERS, BalancesView, BalanceView, GetBalances, OpenStream, StreamOpened
from shared.delivery.requests import Requests

USERS_MAX: Final = MAX_USERS

_OPENED: Final = TypeAdapter(StreamOpened)
_BALANCES: Final = TypeAdapter(BalancesView)


class TicketUsed(Exception):
    """The ticket has opened a socket before, here or at another replica."""


class WalletQuestions:
    """Errors of both: BrokerUnavailable and Busy (nothing has left, the ticket is good), NoAnswer (it may have been used up)."""

    def __init__(self, requests: Requests, *, timeout_seconds: float) -> None:
        self._requests = requests
        self._timeout_seconds = timeout_seconds

    async def open_stream(self, admitted: Admitted, correlation_id: str) -> tuple[Balance, ...]:
        """The user's balances as of now; TicketUsed."""
        question = OpenStream(
            correlation_id=correlation_id,
            user_id=admitted.user_id,
            ticket_id=admitted.ticket_id,
            ticket_expires_at=admitted.ticket_expires_at,
        )
        opened = await self._requests.ask(question, _OPENED, timeout_seconds=self._timeout_seconds)
        if not opened.granted:
            raise TicketUsed
        return tuple(_balance(view) for view in opened.balances)

    async def balances(self, user_ids: Sequence[str]) -> dict[str, list[Balance]]:
        """The balances of 1 to USERS_MAX users, with an empty list for those that never had any."""
        question = GetBalances(correlation_id=str(new_id()), user_ids=tuple(user_ids))
        answer = await self._requests.ask(question, _BALANCES, timeout_seconds=self._timeout_seconds)
        balances: dict[str, list[Balance]] = {user_id: [] for user_id in user_ids}
        for view in answer.balances:
            if view.user_id in balances:
                balances[view.user_id].append(_balance(view))
        return balances


def _balance(view: BalanceView) -> Balance:
    return Balance(view.currency, view.available_minor, view.held_minor, view.version)

"""What the payer can do at the hosted page, and where the browser is sent afterwards; the pages and the controls both go by it."""

from __future__ import annotations

from typing import Final, Literal, get_args

from tests.emulators.allsecure.book import Book
from tests.emulators.allsecure.transactions import IllegalMove, Status, Transaction

Choice = Literal["pay", "pay_3ds", "pass_3ds", "fail_3ds", "decline", "insufficient_funds", "cancel", "pending", "close"]
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)

_OUTCOMES: Final[dict[Choice, str]] = {
    "pass_3ds": "success",
    "fail_3ds": "three_d_secure",
    "decline": "declined",
    "insufficient_funds": "insufficient_funds",
    "cancel": "cancelled",
    "pending": "pending",
}


def choose(book: Book, transaction: Transaction, choice: Choice) -> Transaction:
    """The transaction after the choice. "close" leaves it as it is; "pay" asks for 3-D Secure where it is required, "pay_3ds" always does.
    IllegalMove: nobody waits for a payer any more."""
    if transaction.status is not Status.REDIRECT:
        raise IllegalMove(f"{transaction.kind} {transaction.uuid} is {transaction.status}")
    match choice:
        case "close":
            return transaction
        case "pay_3ds":
            return book.ask_3ds(transaction.uuid)
        case "pay" if transaction.asks_3ds and not transaction.at_3ds:
            return book.ask_3ds(transaction.uuid)
        case "pay":
            return book.settle(transaction.uuid, "success")
        case _:
            return book.settle(transaction.uuid, _OUTCOMES[choice])


def return_url(transaction: Transaction) -> str | None:
    """Where the payer's browser is sent: for what is pending too to successUrl, as IXOPAY says. None: nowhere yet, or no URL was given."""
    request = transaction.request
    match transaction.status:
        case Status.SUCCESS | Status.PENDING:
            return request.success_url
        case Status.CANCELLED:
            return request.cancel_url
        case Status.ERROR:
            return request.error_url
        case Status.REDIRECT:
            return None

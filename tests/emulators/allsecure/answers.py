"""The book's transactions in the gateway's words: answers of transaction calls, of the status API, and callbacks; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tests.emulators.allsecure.amounts import amount_text, exponent
from tests.emulators.allsecure.book import Book
from tests.emulators.allsecure.connectors import Behaviour
from tests.emulators.allsecure.transactions import Failure, Kind, Status, Transaction

_RETURN_TYPES: Final = {
    Status.SUCCESS: "FINISHED",
    Status.PENDING: "PENDING",
    Status.REDIRECT: "REDIRECT",
    Status.CANCELLED: "ERROR",
    Status.ERROR: "ERROR",
}
_RESULTS: Final = {Status.SUCCESS: "OK", Status.PENDING: "PENDING", Status.CANCELLED: "ERROR", Status.ERROR: "ERROR"}
_DISPUTE_LABELS: Final = {Kind.CHARGEBACK: "DISPUTE", Kind.CHARGEBACK_REVERSAL: "DISPUTE-REVERSAL"}
_METHOD: Final = "Creditcard"


def refusal(code: int, message: str) -> dict[str, Any]:
    """The top-level error form: nothing exists, no callback will come."""
    return {"success": False, "errorMessage": message, "errorCode": code}


def answer(transaction: Transaction, behaviour: Behaviour, redirect_url: str | None) -> dict[str, Any]:
    """Of a transaction call."""
    told: dict[str, Any] = {
        "success": transaction.failure is None,
        "uuid": transaction.uuid,
        "purchaseId": transaction.purchase_id,
        "returnType": _RETURN_TYPES[transaction.status],
    }
    if transaction.status is Status.REDIRECT:
        told |= {"redirectType": "3ds" if transaction.at_3ds else "fullpage", "redirectUrl": redirect_url}
    told["paymentMethod"] = _METHOD
    if transaction.status is Status.SUCCESS:
        told["returnData"] = _card()
    return told | _errors(transaction.failure, behaviour)


def status_answer(transaction: Transaction, behaviour: Behaviour, book: Book) -> dict[str, Any]:
    """Of the status API. There is no redirectUrl in it: who has lost that of a timed-out call cannot send the payer on."""
    return (
        {"success": True, "transactionStatus": transaction.status.value}
        | _identity(transaction)
        | {"transactionType": _label(transaction.kind, behaviour), "paymentMethod": _METHOD}
        | _money(transaction, behaviour)
        | _echoed(transaction)
        | ({"returnData": _card()} if transaction.status is Status.SUCCESS else {})
        | _errors(transaction.failure, behaviour)
        | _chargeback(transaction, behaviour, book)
    )


def callback(transaction: Transaction, behaviour: Behaviour, book: Book) -> dict[str, Any]:
    """What the merchant is told of a transaction that is as it is now."""
    told = (
        {"result": _RESULTS[transaction.status]}
        | _identity(transaction)
        | {"transactionType": _label(transaction.kind, behaviour), "paymentMethod": _METHOD}
        | _money(transaction, behaviour)
        | _echoed(transaction)
    )
    if transaction.status is Status.SUCCESS:
        told["extraData"] = {"authCode": transaction.uuid[:6]}
        told["returnData"] = _card()
    # An assumption: no document has a callback of a refund made at the gateway's own site. Without the debit's uuid in it the merchant
    # could not know what was refunded, so it stands where the request of a refund has it.
    if transaction.kind is Kind.REFUND and transaction.original is not None:
        told["referenceUuid"] = transaction.original
    return told | _callback_error(transaction.failure, behaviour) | _chargeback(transaction, behaviour, book)


def _identity(transaction: Transaction) -> dict[str, Any]:
    return {"uuid": transaction.uuid, "merchantTransactionId": transaction.reference, "purchaseId": transaction.purchase_id}


def _label(kind: Kind, behaviour: Behaviour) -> str:
    return _DISPUTE_LABELS.get(kind, kind.value) if behaviour.dispute_labels else kind.value


def _money(transaction: Transaction, behaviour: Behaviour) -> dict[str, Any]:
    request = transaction.request
    if request.amount_minor is None or request.currency is None:
        return {}
    text = amount_text(request.amount_minor, request.currency, decimals_always=behaviour.decimals_always)
    return {"amount": text, "currency": request.currency}


def _echoed(transaction: Transaction) -> dict[str, Any]:
    echoed = {"merchantMetaData": transaction.request.meta_data, "customer": transaction.request.customer}
    return {name: value for name, value in echoed.items() if value is not None}


def _card() -> Mapping[str, Any]:
    """No number: AllSecure's test cards are not public, and none is made up here."""
    return {"_TYPE": "cardData", "type": "visa", "cardHolder": "Emulator Payer", "expiryMonth": "12", "expiryYear": "2030"}


def _errors(failure: Failure | None, behaviour: Behaviour) -> dict[str, Any]:
    if failure is None:
        return {}
    code, message = ("errorCode", "errorMessage") if behaviour.list_naming == "errorCode" else ("code", "message")
    return {"errors": [{message: failure.message, code: failure.code} | _adapter(failure)]}


def _callback_error(failure: Failure | None, behaviour: Behaviour) -> dict[str, Any]:
    """`code` is text, `errorCode` a number: each as the document that has it says."""
    if failure is None:
        return {}
    named: dict[str, Any] = {"errorCode": failure.code, "errorMessage": failure.message}
    if behaviour.naming == "code":
        named = {"code": str(failure.code), "message": failure.message}
    return named | _adapter(failure)


def _adapter(failure: Failure) -> dict[str, Any]:
    if failure.adapter_code is None:
        return {}
    return {"adapterMessage": failure.adapter_message, "adapterCode": failure.adapter_code}


def _chargeback(transaction: Transaction, behaviour: Behaviour, book: Book) -> dict[str, Any]:
    if transaction.kind not in _DISPUTE_LABELS or transaction.original is None or transaction.request.currency is None:
        return {}
    charge = book.get(transaction.original)
    assert charge is not None
    data: dict[str, Any] = {
        "originalUuid": charge.uuid,
        "originalMerchantTransactionId": charge.reference,
        "amount": _chargeback_amount(transaction.amount_minor, transaction.request.currency, behaviour),
        "currency": transaction.request.currency,
        "reason": transaction.reason,
    }
    if transaction.kind is Kind.CHARGEBACK:
        return {"chargebackData": data | {"chargebackDateTime": _moment(transaction.created_at)}}
    return {
        "chargebackReversalData": data | {"chargebackUuid": transaction.chargeback, "reversalDateTime": _moment(transaction.created_at)},
    }


def _chargeback_amount(amount_minor: int, currency: str, behaviour: Behaviour) -> str | int | float:
    if behaviour.chargeback_amount == "text":
        return amount_text(amount_minor, currency, decimals_always=behaviour.decimals_always)
    places = exponent(currency)
    # A JSON number as careless code writes it: what a reader must cope with, and the only float there is.
    return amount_minor / 10**places if places else amount_minor


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

"""What schemathesis cannot know of the gateway: which well-formed requests are refused for what they mean. Loaded by its own process."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.schemas import APIOperation
from schemathesis.wfc.escalation import escalating_provider

from tests.flow.authorization_table import ROWS
from tests.flow.authorization_world import Who

DECISIONS: Final = {
    "amount_not_available": "the least and the most that a provider takes hang together with method and currency",
    "amount_mismatch": "the amount is compared with the session's",
    "currency_not_available": "which currencies a provider takes is not a matter of form",
    "destination_not_available": "where money can be paid out is the installation's setting",
    "idempotency_key_reused": "one key on two requests",
    "invalid_amount": "how many decimals a sum may have hangs together with its currency",
    "invalid_cursor": "a cursor is whatever the last page said, signed",
    "invalid_signature": "a webhook's signature is made of its bytes",
    "method_not_available": "which methods are on is the installation's setting",
    "not_ready": "an order is paid a moment before its text is made",
    "operation_not_supported": "what a provider can do is not a matter of form",
    "order_not_paid": "most orders are not",
    "order_refunded": "some orders are",
    "own_session": "whose a session is, is stored",
    "payment_disputed": "some payments are",
    "payment_not_disputable": "only what was paid is disputed",
    "payment_not_refundable": "only what was paid goes back",
    "payment_rejected": "the provider has a mind of its own",
    "payouts_not_available": "whether money is paid out is the installation's setting",
    "refund_not_supported": "what a provider can do is not a matter of form",
    "same_user": "a document has no words for two fields that differ",
}
"""Each code of a 400, 402 or 422 that refuses what a request means, after its form was found good; a 404, 403 or 409 needs no such word."""

MEANINGS: Final = {
    ("body", "amount"): "how many decimals a sum may have, and how large it may be, hangs together with its currency",
    ("body", "birth_date"): "which days somebody was born on depends on today; whether it is needed, on the product",
    ("body", "manual_reference"): "what was paid from a balance goes back to it: there is nothing to record",
    ("body", "points"): "each chakra once: a document can only say that no two points are the same",
    ("body", "product"): "which ones are on sale is the installation's setting",
}
"""Fields that the same holds of, under the code invalid_request."""


_STUDENTS: Final = {row.operation for row in ROWS if row.answers[Who.OWNER] < 400}
ADMINS: Final = {f"{row.method} {row.path}" for row in ROWS if row.operation not in _STUDENTS and row.answers[Who.ADMIN] not in (403, 404)}
"""What a student is refused is asked as the admin from the start: schemathesis would find that out late, asking as nobody till then."""

KEY: Final = "Idempotency-Key"
_NUMBERS: Final = count(1)


@schemathesis.hook
def before_init_operation(context: HookContext, operation: APIOperation[Any, Any, Any, Any]) -> None:
    people = escalating_provider(operation.schema)
    if people is not None and operation.label in ADMINS:
        people.restore({operation.label: "admin"})


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """A well-formed request as a client would make it: a key of its own, and one way to page (no document can say "not beside")."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if KEY in case.headers:
        case.headers[KEY] = f"{case.headers[KEY][:200]} {next(_NUMBERS)}"
    if case.query and {"cursor", "skip"} <= set(case.query):
        del case.query["skip"]


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """False for a refusal that is no failure: the document promises which requests are well-formed, not which ones succeed."""
    return not (isinstance(failure, RejectedPositiveData) and _is_decision(response))


def _is_decision(response: Response) -> bool:
    problem: dict[str, Any] = response.json()
    locations = [tuple(error["loc"][:2]) for error in problem["errors"]]
    return problem["code"] in DECISIONS or (bool(locations) and set(locations) <= set(MEANINGS))

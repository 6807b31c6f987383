"""Every operation of the API by name: its address, its parameters, and what of the book it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.emulators.stripe import specs
from tests.emulators.stripe.book import Book
from tests.emulators.stripe.errors import Invalid, Refusal
from tests.emulators.stripe.events import Endpoint, Event, Events
from tests.emulators.stripe.lists import Listed, page
from tests.emulators.stripe.objects import Json, PaymentIntent, new_id
from tests.emulators.stripe.parameters import Spec, merge_metadata

_EXPANDABLE: Final = ("latest_charge", "payment_method", "payment_intent", "charge")
_URL_MAX: Final = 2_048


@dataclass(frozen=True, slots=True)
class Call:
    """`public`: made with the publishable key, from a browser."""

    params: Mapping[str, Any]
    key: str
    public: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """`public_spec`: the parameters that a browser may send; none: the publishable key is refused."""

    name: str
    method: str
    path: str
    spec: Spec
    run: Callable[[Call], Json]
    required: tuple[str, ...] = ()
    public_spec: Spec | None = None


def operations(book: Book, events: Events) -> list[Operation]:
    """In the order in which their addresses are to be tried."""
    parts = (_intents(book), _checkout(book), _money_back(book), _disputes(book), _payouts(book), _events(events), _endpoints(events))
    return [operation for part in parts for operation in part]


def check_expand(paths: list[str]) -> None:
    """Invalid: it cannot be expanded."""
    for path in paths:
        if path.removeprefix("data.") not in _EXPANDABLE:
            raise Invalid(f"This property cannot be expanded ({path}).", param="expand")


def expanded(book: Book, shown: Json, paths: list[str]) -> Json:
    """The ids at these paths replaced by their objects."""
    for path in paths:
        in_list, name = path.startswith("data."), path.removeprefix("data.")
        for one in shown["data"] if in_list else [shown]:
            found = book.account.shelf_of(one[name]) if isinstance(one.get(name), str) else None
            if found is not None:
                one[name] = found.get(one[name]).view()
    return shown


def _intents(book: Book) -> list[Operation]:
    intents, shelf = book.intents, book.account.intents

    def of(call: Call) -> PaymentIntent:
        intent = shelf.get(call.key, "intent")
        if call.params.get("client_secret", intent.client_secret) != intent.client_secret:
            message = "The client_secret provided does not match the client_secret associated with the PaymentIntent."
            raise Refusal(400, message, code="payment_intent_invalid_parameter", param="client_secret")
        if call.public and "client_secret" not in call.params:
            raise Invalid("Missing required param: client_secret.", code="parameter_missing", param="client_secret")
        return intent

    def shown(call: Call, intent: PaymentIntent) -> Json:
        return intent.public_view() if call.public else intent.view()

    def listed(call: Call) -> Json:
        return page("/v1/payment_intents", shelf.oldest_first(), call.params)

    def confirm(call: Call) -> Json:
        return shown(call, intents.confirm(of(call), call.params))

    def cancel(call: Call) -> Json:
        return intents.cancel(of(call), call.params.get("cancellation_reason")).view()

    path = "/v1/payment_intents"
    return [
        Operation(
            "create_payment_intent",
            "POST",
            path,
            specs.CREATE_INTENT,
            lambda call: intents.create(call.params).view(),
            ("amount", "currency"),
        ),
        Operation("list_payment_intents", "GET", path, specs.LIST_INTENTS, listed),
        Operation(
            "retrieve_payment_intent",
            "GET",
            path + "/{key}",
            specs.RETRIEVE_INTENT,
            lambda call: shown(call, of(call)),
            public_spec=specs.PUBLIC_RETRIEVE,
        ),
        Operation(
            "update_payment_intent", "POST", path + "/{key}", specs.UPDATE_INTENT, lambda call: intents.update(of(call), call.params).view()
        ),
        Operation(
            "confirm_payment_intent", "POST", path + "/{key}/confirm", specs.CONFIRM_INTENT, confirm, public_spec=specs.PUBLIC_CONFIRM
        ),
        Operation(
            "capture_payment_intent",
            "POST",
            path + "/{key}/capture",
            specs.CAPTURE_INTENT,
            lambda call: intents.capture(of(call), call.params).view(),
        ),
        Operation("cancel_payment_intent", "POST", path + "/{key}/cancel", specs.CANCEL_INTENT, cancel),
    ]


def _checkout(book: Book) -> list[Operation]:
    checkout, path = book.checkout, "/v1/checkout/sessions"

    def listed(call: Call) -> Json:
        checkout.expire_due()
        mine = [one for one in checkout.sessions.oldest_first() if _asked(one.status, call, "status")]
        return page(path, [one for one in mine if _asked(one.intent or "", call, "payment_intent")], call.params)

    def create(call: Call) -> Json:
        return checkout.create(call.params).view()

    def expire(call: Call) -> Json:
        return checkout.expire(checkout.get(call.key)).view()

    return [
        Operation("create_checkout_session", "POST", path, specs.CREATE_SESSION, create, ("mode", "line_items", "success_url")),
        Operation("list_checkout_sessions", "GET", path, specs.LIST_SESSIONS, listed),
        Operation("retrieve_checkout_session", "GET", path + "/{key}", {}, lambda call: checkout.get(call.key).view()),
        Operation("expire_checkout_session", "POST", path + "/{key}/expire", {}, expire),
    ]


def _money_back(book: Book) -> list[Operation]:
    refunds, shelf, charges = book.refunds, book.account.refunds, book.account.charges

    def listed(call: Call) -> Json:
        mine = [one for one in shelf.oldest_first() if _asked(one.charge, call, "charge") and _asked(one.intent, call, "payment_intent")]
        return page("/v1/refunds", mine, call.params)

    def charged(call: Call) -> Json:
        return page("/v1/charges", [one for one in charges.oldest_first() if _asked(one.intent, call, "payment_intent")], call.params)

    def update(call: Call) -> Json:
        return refunds.update(shelf.get(call.key), call.params).view()

    return [
        Operation("create_refund", "POST", "/v1/refunds", specs.CREATE_REFUND, lambda call: refunds.create(call.params).view()),
        Operation("list_refunds", "GET", "/v1/refunds", specs.LIST_REFUNDS, listed),
        Operation("retrieve_refund", "GET", "/v1/refunds/{key}", {}, lambda call: shelf.get(call.key).view()),
        Operation("update_refund", "POST", "/v1/refunds/{key}", specs.METADATA_ONLY, update),
        Operation("cancel_refund", "POST", "/v1/refunds/{key}/cancel", {}, lambda call: refunds.cancel(shelf.get(call.key)).view()),
        Operation("list_charges", "GET", "/v1/charges", specs.LIST_CHARGES, charged),
        Operation("retrieve_charge", "GET", "/v1/charges/{key}", {}, lambda call: charges.get(call.key).view()),
    ]


def _disputes(book: Book) -> list[Operation]:
    disputes, shelf = book.disputes, book.account.disputes

    def listed(call: Call) -> Json:
        mine = [one for one in shelf.oldest_first() if _asked(one.charge, call, "charge") and _asked(one.intent, call, "payment_intent")]
        return page("/v1/disputes", mine, call.params)

    def update(call: Call) -> Json:
        return disputes.update(shelf.get(call.key), call.params).view()

    return [
        Operation("list_disputes", "GET", "/v1/disputes", specs.LIST_DISPUTES, listed),
        Operation("retrieve_dispute", "GET", "/v1/disputes/{key}", {}, lambda call: shelf.get(call.key).view()),
        Operation("update_dispute", "POST", "/v1/disputes/{key}", specs.UPDATE_DISPUTE, update),
        Operation("close_dispute", "POST", "/v1/disputes/{key}/close", {}, lambda call: disputes.close(shelf.get(call.key)).view()),
    ]


def _payouts(book: Book) -> list[Operation]:
    payouts, shelf = book.payouts, book.account.payouts

    def listed(call: Call) -> Json:
        return page("/v1/payouts", [one for one in shelf.oldest_first() if _asked(one.status, call, "status")], call.params)

    def create(call: Call) -> Json:
        return payouts.create(call.params).view()

    def update(call: Call) -> Json:
        return payouts.update(shelf.get(call.key), call.params).view()

    return [
        Operation("create_payout", "POST", "/v1/payouts", specs.CREATE_PAYOUT, create, ("amount", "currency")),
        Operation("list_payouts", "GET", "/v1/payouts", specs.LIST_PAYOUTS, listed),
        Operation("retrieve_payout", "GET", "/v1/payouts/{key}", {}, lambda call: shelf.get(call.key).view()),
        Operation("update_payout", "POST", "/v1/payouts/{key}", specs.METADATA_ONLY, update),
        Operation("cancel_payout", "POST", "/v1/payouts/{key}/cancel", {}, lambda call: payouts.cancel(shelf.get(call.key)).view()),
    ]


def _events(events: Events) -> list[Operation]:
    def wanted(event: Event, call: Call) -> bool:
        kinds = call.params.get("types") or ([call.params["type"]] if "type" in call.params else None)
        delivered = call.params.get("delivery_success")
        return (kinds is None or any(_matches(event.kind, kind) for kind in kinds)) and delivered in (None, not event.waiting)

    def listed(call: Call) -> Json:
        if "type" in call.params and "types" in call.params:
            raise Invalid("You may only specify one of these parameters: type, types.", param="types")
        mine: list[Listed] = [event for event in events.oldest_first() if wanted(event, call)]
        return page("/v1/events", mine, call.params)

    return [
        Operation("list_events", "GET", "/v1/events", specs.LIST_EVENTS, listed),
        Operation("retrieve_event", "GET", "/v1/events/{key}", {}, lambda call: events.get(call.key).view()),
    ]


def _endpoints(events: Events) -> list[Operation]:
    def create(call: Call) -> Json:
        _check_url(call.params["url"])
        metadata = merge_metadata({}, call.params.get("metadata", {}))
        secret = new_id("whsec_", 32)
        endpoint = events.add_endpoint(call.params["url"], call.params["enabled_events"], call.params.get("api_version"), secret)
        endpoint.description, endpoint.metadata = call.params.get("description"), metadata
        # Shown this once.
        return endpoint.view() | {"secret": secret}

    def update(call: Call) -> Json:
        endpoint: Endpoint = events.endpoint(call.key)
        if "url" in call.params:
            _check_url(call.params["url"])
        endpoint.url = call.params.get("url", endpoint.url)
        endpoint.enabled_events = call.params.get("enabled_events", endpoint.enabled_events)
        endpoint.enabled = not call.params.get("disabled", not endpoint.enabled)
        endpoint.description = call.params.get("description", endpoint.description)
        endpoint.metadata = merge_metadata(endpoint.metadata, call.params.get("metadata", {}))
        return endpoint.view()

    def delete(call: Call) -> Json:
        endpoint = events.endpoint(call.key)
        del events.endpoints[endpoint.id]
        return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}

    path = "/v1/webhook_endpoints"
    return [
        Operation("create_webhook_endpoint", "POST", path, specs.CREATE_ENDPOINT, create, ("url", "enabled_events")),
        Operation(
            "list_webhook_endpoints", "GET", path, specs.LIST_INTENTS, lambda call: page(path, list(events.endpoints.values()), call.params)
        ),
        Operation("retrieve_webhook_endpoint", "GET", path + "/{key}", {}, lambda call: events.endpoint(call.key).view()),
        Operation("update_webhook_endpoint", "POST", path + "/{key}", specs.UPDATE_ENDPOINT, update),
        Operation("delete_webhook_endpoint", "DELETE", path + "/{key}", {}, delete),
    ]


def _asked(value: str, call: Call, name: str) -> bool:
    return bool(call.params.get(name, value) == value)


def _matches(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith(".*") else kind == wanted


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")) or len(url) > _URL_MAX:
        raise Invalid("Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url")

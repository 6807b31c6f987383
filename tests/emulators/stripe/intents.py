"""The state machine of payment intents (https://docs.stripe.com/payments/paymentintents/lifecycle): pure, told by its account's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from tests.emulators.stripe import amounts
from tests.emulators.stripe.account import Account
from tests.emulators.stripe.errors import Invalid, Refusal, card_error, missing, wrong_state
from tests.emulators.stripe.methods import METHODS
from tests.emulators.stripe.objects import Charge, Json, PaymentIntent, PaymentMethod, new_id
from tests.emulators.stripe.outgoing import Refund
from tests.emulators.stripe.parameters import merge_metadata

Params = Mapping[str, Any]

CHALLENGE_PATH: Final = "/3d_secure_2/hosted"
_OPEN: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE: Final = (*_OPEN, "requires_capture")
_ECHOED: Final = (
    *("description", "payment_method_options", "receipt_email", "setup_future_usage", "shipping"),
    *("statement_descriptor", "statement_descriptor_suffix", "transfer_group"),
)
_NEEDS_RETURN_URL: Final = (
    "This PaymentIntent is configured to accept payment methods that might redirect your customer off of your page: you must provide a "
    "`return_url`, or set `automatic_payment_methods[allow_redirects]` to `never`."
)
_ASKS: Final = "Your card was declined. This transaction requires authentication."
_NOT_AUTHENTICATED: Final = "We are unable to authenticate your payment method. Please choose a different payment method and try again."


class Intents:
    """`disputed(charge, inquiry)`: a test card's owner disputes what was just paid."""

    def __init__(self, account: Account, disputed: Callable[[Charge, bool], None]) -> None:
        self._account = account
        self._disputed = disputed

    def create(self, params: Params) -> PaymentIntent:
        """Refusal. With `confirm`, a decline is raised after the intent is in the book."""
        amounts.check_currency(params["currency"])
        amounts.check_charge(params["amount"], params["currency"])
        _check_types(params)
        automatic = _automatic(params)
        key = new_id("pi_")
        intent = PaymentIntent(
            id=key,
            client_secret=new_id(key + "_secret_"),
            amount=params["amount"],
            currency=params["currency"],
            created=self._account.now(),
            capture_method=params.get("capture_method", "automatic_async"),
            metadata=merge_metadata({}, params.get("metadata", {})),
            automatic=automatic,
            allowed_types=params.get("allowed_payment_method_types"),
            excluded_types=params.get("excluded_payment_method_types"),
            redirects=automatic is not None and automatic["enabled"] and automatic["allow_redirects"] == "always",
            echo={name: params[name] for name in _ECHOED if name in params},
        )
        for name in ("return_url", "off_session", "error_on_requires_action"):
            if name in params and not params.get("confirm"):
                raise Invalid(f"You can only pass {name} when confirm is true.", param=name)
        if "payment_method" in params:
            intent.method = self._attach(intent, params["payment_method"])
            intent.status = "requires_confirmation"
        if params.get("confirm"):
            self._check_confirmable(intent, params)
        self._account.intents.put(intent)
        self._account.emit("payment_intent.created", intent.view())
        return self._confirm(intent, params) if params.get("confirm") else intent

    def update(self, intent: PaymentIntent, params: Params) -> PaymentIntent:
        """Refusal: amount, currency and method only before the payer is done."""
        fixed = [name for name in params if name not in ("metadata", "description", "receipt_email", "shipping", "transfer_group")]
        if fixed and intent.status not in _OPEN:
            what = f"This PaymentIntent's {fixed[0]} could not be updated because it has a status of {intent.status}."
            raise wrong_state(what, payment_intent=intent.view())
        amount, currency = params.get("amount", intent.amount), params.get("currency", intent.currency)
        amounts.check_currency(currency)
        amounts.check_charge(amount, currency)
        intent.metadata = merge_metadata(intent.metadata, params.get("metadata", {}))
        if "payment_method" in params:
            intent.method = self._attach(intent, params["payment_method"])
        intent.amount, intent.currency = amount, currency
        intent.echo = intent.echo | {name: params[name] for name in _ECHOED if name in params}
        if "payment_method" in params or (fixed and intent.status != "requires_payment_method"):
            intent.status, intent.next_action = "requires_confirmation", None
        return intent

    def confirm(self, intent: PaymentIntent, params: Params) -> PaymentIntent:
        """Refusal: the wrong state, no method or no return_url; CardError's 402 when the bank declines at once."""
        self._check_confirmable(intent, params)
        return self._confirm(intent, params)

    def authenticate(self, intent: PaymentIntent, passes: bool) -> PaymentIntent:
        """The payer is back from 3-D Secure. Refusal: nothing was asked, or the bank declines then."""
        if intent.status != "requires_action":
            raise wrong_state(f"This PaymentIntent asks for no action: it has a status of {intent.status}.", payment_intent=intent.view())
        if passes:
            return self._submit(intent)
        error = {"code": "payment_intent_authentication_failure", "message": _NOT_AUTHENTICATED, "type": "invalid_request_error"}
        self._fail(intent, error)
        return intent

    def settle(self, intent: PaymentIntent, succeeds: bool) -> PaymentIntent:
        """A slow payment ends. Refusal: it is not processing."""
        if intent.status != "processing":
            raise wrong_state(f"This PaymentIntent has a status of {intent.status}.", payment_intent=intent.view())
        charge = self._charge_of(intent)
        if succeeds:
            self._paid(intent, charge)
            return intent
        charge.status = "failed"
        charge.failure = charge.method.does.decline or ("payment_intent_payment_attempt_failed", None, "The payment failed.")
        self._account.emit("charge.failed", charge.view())
        self._fail(intent, _error_of(charge), charge)
        return intent

    def capture(self, intent: PaymentIntent, params: Params) -> PaymentIntent:
        """Refusal. What is not captured is let go."""
        if intent.status != "requires_capture":
            what = "This PaymentIntent could not be captured because it has a status of"
            raise wrong_state(f"{what} {intent.status}. Only one with a status of requires_capture may be.", payment_intent=intent.view())
        amount = params.get("amount_to_capture", intent.amount_capturable)
        amounts.check_part(amount, intent.currency)
        if amount > intent.amount_capturable:
            message = f"The amount to capture is more than the {intent.amount_capturable} that can be."
            raise Refusal(400, message, code="amount_too_large", param="amount_to_capture")
        intent.metadata = merge_metadata(intent.metadata, params.get("metadata", {}))
        charge = self._charge_of(intent)
        self._release(charge, charge.amount - amount)
        self._take(intent, charge, amount)
        self._account.emit("charge.captured", charge.view())
        self._account.emit("payment_intent.succeeded", intent.view())
        return intent

    def cancel(self, intent: PaymentIntent, reason: str | None) -> PaymentIntent:
        """Refusal: paid, canceled or on its way."""
        if intent.status not in _CANCELABLE:
            what = f"You cannot cancel this PaymentIntent because it has a status of {intent.status}."
            raise wrong_state(f"{what} Only these may be: {', '.join(_CANCELABLE)}.", payment_intent=intent.view())
        held = intent.amount_capturable
        intent.status, intent.canceled_at, intent.cancellation_reason = "canceled", self._account.now(), reason
        intent.amount_capturable, intent.next_action = 0, None
        if held:
            self._release(self._charge_of(intent), held)
        self._account.emit("payment_intent.canceled", intent.view())
        return intent

    def _check_confirmable(self, intent: PaymentIntent, params: Params) -> None:
        if intent.status not in _OPEN:
            done = "it has already succeeded after being previously confirmed" if intent.status == "succeeded" else None
            done = done or f"it has a status of {intent.status}"
            raise wrong_state(f"You cannot confirm this PaymentIntent because {done}.", payment_intent=intent.view())
        if "payment_method" not in params and intent.method is None:
            what = "You cannot confirm this PaymentIntent because it's missing a payment method."
            raise wrong_state(what, payment_intent=intent.view())
        if intent.redirects and not params.get("return_url") and intent.return_url is None:
            raise Refusal(400, _NEEDS_RETURN_URL, param="return_url")

    def _confirm(self, intent: PaymentIntent, params: Params) -> PaymentIntent:
        if "payment_method" in params:
            intent.method = self._attach(intent, params["payment_method"])
        assert intent.method is not None
        intent.return_url = params.get("return_url", intent.return_url)
        intent.echo = intent.echo | {name: params[name] for name in _ECHOED if name in params}
        intent.last_error = intent.next_action = None
        if not intent.method.does.asks:
            return self._submit(intent)
        if params.get("error_on_requires_action") or params.get("off_session"):
            error = {"code": "authentication_required", "decline_code": "authentication_required", "message": _ASKS, "type": "card_error"}
            self._fail(intent, error)
            raise card_error(_ASKS, code="authentication_required", decline_code="authentication_required", payment_intent=intent.view())
        intent.status, intent.next_action = "requires_action", self._challenge(intent)
        self._account.emit("payment_intent.requires_action", intent.view())
        return intent

    def _challenge(self, intent: PaymentIntent) -> Json:
        query = {"payment_intent": intent.id, "payment_intent_client_secret": intent.client_secret}
        url = f"{self._account.address()}{CHALLENGE_PATH}?{urlencode(query)}"
        if intent.return_url is None:
            return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": intent.return_url, "url": url}}

    def _submit(self, intent: PaymentIntent) -> PaymentIntent:
        assert intent.method is not None
        does = intent.method.does
        if does.outcome == "processing" and intent.capture_method == "manual":
            raise Refusal(400, f"A {does.kind} payment cannot be captured later.", param="capture_method")
        intent.next_action = None
        charge = self._account.charges.put(
            Charge(
                id=new_id("ch_"),
                intent=intent.id,
                amount=intent.amount,
                currency=intent.currency,
                created=self._account.now(),
                method=intent.method,
                metadata=dict(intent.metadata),
                description=intent.echo.get("description"),
                receipt_email=intent.echo.get("receipt_email"),
                status={"succeeds": "succeeded", "declined": "failed", "processing": "pending"}[does.outcome],
                captured=False,
            )
        )
        intent.latest_charge = charge.id
        if does.outcome == "succeeds":
            self._paid(intent, charge)
        elif does.outcome == "processing":
            intent.status = "processing"
            self._account.emit("payment_intent.processing", intent.view())
            self._account.emit("charge.pending", charge.view())
            self._account.in_time(lambda: self._settle_if_waiting(intent, does.settles))
        else:
            charge.failure = does.decline
            self._account.emit("charge.failed", charge.view())
            error = _error_of(charge)
            self._fail(intent, error, charge)
            raise card_error(**{name: error[name] for name in error if name != "type"}, payment_intent=intent.view())
        return intent

    def _settle_if_waiting(self, intent: PaymentIntent, succeeds: bool) -> None:
        if intent.status == "processing":
            self.settle(intent, succeeds)

    def _paid(self, intent: PaymentIntent, charge: Charge) -> None:
        charge.status = "succeeded"
        if intent.capture_method == "manual":
            intent.status, intent.amount_capturable = "requires_capture", intent.amount
            self._account.emit("charge.succeeded", charge.view())
            self._account.emit("payment_intent.amount_capturable_updated", intent.view())
            return
        self._take(intent, charge, charge.amount)
        self._account.emit("charge.succeeded", charge.view())
        self._account.emit("payment_intent.succeeded", intent.view())
        if charge.method.does.sequel in ("dispute", "inquiry"):
            self._disputed(charge, charge.method.does.sequel == "inquiry")

    def _take(self, intent: PaymentIntent, charge: Charge, amount: int) -> None:
        charge.captured, charge.captured_minor = True, amount
        intent.status, intent.amount_received, intent.amount_capturable = "succeeded", amount, 0
        self._account.credit(charge.currency, amount)

    def _release(self, charge: Charge, amount: int) -> None:
        """An authorisation is let go: no money moves."""
        if amount == 0 or not self._account.manners.tells_releases:
            return
        charge.released_minor = amount
        now = self._account.now()
        refund = Refund(new_id("re_"), charge.id, charge.intent, amount, charge.currency, now, None, {}, "succeeded", releases=True)
        self._account.refunds.put(refund)
        self._account.emit("refund.created", refund.view())
        self._account.emit("charge.refunded", charge.view())

    def _fail(self, intent: PaymentIntent, error: Json, charge: Charge | None = None) -> None:
        """Back to the choice of a method, with the reason."""
        assert intent.method is not None
        error = error | {"payment_method": intent.method.view()} | ({"charge": charge.id} if charge else {})
        intent.status, intent.method, intent.next_action, intent.last_error = "requires_payment_method", None, None, error
        self._account.emit("payment_intent.payment_failed", intent.view())

    def _charge_of(self, intent: PaymentIntent) -> Charge:
        assert intent.latest_charge is not None
        return self._account.charges.get(intent.latest_charge)

    def _attach(self, intent: PaymentIntent, name: str) -> PaymentMethod:
        known = self._account.methods.find(name)
        if known is None:
            if name not in METHODS:
                raise missing("PaymentMethod", name, "payment_method")
            known = PaymentMethod(new_id("pm_1"), name, METHODS[name], self._account.now())
        if known.does.kind not in intent.types:
            message = f"The payment method type '{known.does.kind}' is not one that this PaymentIntent allows."
            raise Refusal(400, message, code="payment_intent_incompatible_payment_method", param="payment_method")
        return self._account.methods.put(known)


def _error_of(charge: Charge) -> Json:
    assert charge.failure is not None
    code, decline_code, message = charge.failure
    error = {"charge": charge.id, "code": code, "message": message, "type": "card_error"}
    return error if decline_code is None else error | {"decline_code": decline_code}


def _check_types(params: Params) -> None:
    names = ("allowed_payment_method_types", "excluded_payment_method_types", "automatic_payment_methods")
    used = [name for name in names if name in params]
    if "allowed_payment_method_types" in used and len(used) > 1:
        raise Invalid(f"You may only specify one of these parameters: {', '.join(used)}.", param=used[0])


def _automatic(params: Params) -> Json | None:
    """What it is when nobody says otherwise."""
    if "allowed_payment_method_types" in params:
        return None
    sent = params.get("automatic_payment_methods", {"enabled": True})
    return {"allow_redirects": "always"} | dict(sent)

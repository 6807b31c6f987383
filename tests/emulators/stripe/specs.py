"""Which parameters each operation knows; the types come from parameters.py."""

from __future__ import annotations

from typing import Final

from tests.emulators.stripe.lists import PAGING
from tests.emulators.stripe.parameters import (
    Spec,
    anything,
    boolean,
    group,
    groups,
    integer,
    metadata,
    not_here,
    one_of,
    text,
    texts,
    unsettable,
)

_SHOWN: Final = {
    "description": unsettable,
    "payment_method_options": anything,
    "receipt_email": unsettable,
    "setup_future_usage": one_of("on_session", "off_session"),
    "shipping": anything,
    "statement_descriptor": unsettable,
    "statement_descriptor_suffix": unsettable,
    "transfer_group": text,
}
_ELSEWHERE: Final = dict.fromkeys(
    (
        *("application_fee_amount", "confirmation_method", "confirmation_token", "customer", "customer_account", "mandate", "mandate_data"),
        *("on_behalf_of", "payment_method_configuration", "payment_method_data", "payment_method_types", "transfer_data"),
        *("hooks", "payment_details"),
    ),
    not_here,
)
_CONFIRMING: Final = {
    "error_on_requires_action": boolean,
    "off_session": boolean,
    "payment_method": text,
    "payment_method_options": anything,
    "receipt_email": unsettable,
    "return_url": text,
    "setup_future_usage": one_of("on_session", "off_session"),
    "shipping": anything,
    "use_stripe_sdk": boolean,
}
_CAPTURE_METHODS: Final = one_of("automatic", "automatic_async", "manual")
_REASONS: Final = one_of("duplicate", "fraudulent", "requested_by_customer")

CREATE_INTENT: Final[Spec] = {
    **_ELSEWHERE,
    **_SHOWN,
    **_CONFIRMING,
    "allowed_payment_method_types": texts,
    "amount": integer,
    "automatic_payment_methods": group({"enabled": boolean, "allow_redirects": one_of("always", "never")}),
    "capture_method": _CAPTURE_METHODS,
    "confirm": boolean,
    "currency": text,
    "excluded_payment_method_types": texts,
    "metadata": metadata,
}
UPDATE_INTENT: Final[Spec] = {
    **_ELSEWHERE,
    **_SHOWN,
    "amount": integer,
    "currency": text,
    "metadata": metadata,
    "payment_method": text,
}
CONFIRM_INTENT: Final[Spec] = {**_ELSEWHERE, **_CONFIRMING}
PUBLIC_CONFIRM: Final[Spec] = {
    "client_secret": text,
    "key": text,
    "payment_method": text,
    "return_url": text,
    "use_stripe_sdk": boolean,
}
PUBLIC_RETRIEVE: Final[Spec] = {"client_secret": text, "key": text}
RETRIEVE_INTENT: Final[Spec] = {"client_secret": text}
LIST_INTENTS: Final[Spec] = PAGING
CAPTURE_INTENT: Final[Spec] = {
    "amount_to_capture": integer,
    "application_fee_amount": not_here,
    "final_capture": not_here,
    "metadata": metadata,
    "statement_descriptor": unsettable,
}
CANCEL_INTENT: Final[Spec] = {"cancellation_reason": one_of("duplicate", "fraudulent", "requested_by_customer", "abandoned")}
CREATE_REFUND: Final[Spec] = {
    "amount": integer,
    "charge": text,
    "currency": not_here,
    "customer": not_here,
    "instructions_email": not_here,
    "metadata": metadata,
    "origin": not_here,
    "payment_intent": text,
    "reason": _REASONS,
    "refund_application_fee": not_here,
    "reverse_transfer": not_here,
}
_OF_CHECKOUT_ELSEWHERE: Final = """
adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types automatic_tax billing_address_collection
branding_settings consent_collection currency custom_fields custom_text customer customer_account customer_creation customer_update
discounts excluded_payment_method_types integration_identifier invoice_creation managed_payments name_collection optional_items
origin_context payment_method_collection payment_method_configuration payment_method_data payment_method_options payment_method_types
permissions phone_number_collection redirect_on_completion return_url saved_payment_method_options setup_intent_data
shipping_address_collection shipping_options submit_type subscription_data tax_id_collection wallet_options
"""
CREATE_SESSION: Final[Spec] = {
    **dict.fromkeys(_OF_CHECKOUT_ELSEWHERE.split(), not_here),
    "cancel_url": text,
    "client_reference_id": text,
    "customer_email": text,
    "expires_at": integer,
    "line_items": groups(
        {
            "adjustable_quantity": not_here,
            "dynamic_tax_rates": not_here,
            "metadata": not_here,
            "price": not_here,
            "price_data": group(
                {
                    "currency": text,
                    "product": not_here,
                    "product_data": group({"name": text, "description": text, "images": anything, "metadata": metadata, "tax_code": text}),
                    "recurring": not_here,
                    "tax_behavior": not_here,
                    "unit_amount": integer,
                    "unit_amount_decimal": not_here,
                }
            ),
            "quantity": integer,
            "tax_rates": not_here,
        }
    ),
    "locale": text,
    "metadata": metadata,
    "mode": one_of("payment"),
    "payment_intent_data": group(
        {
            "capture_method": not_here,
            "description": text,
            "metadata": metadata,
            "receipt_email": text,
            "statement_descriptor": text,
            "statement_descriptor_suffix": text,
            "transfer_group": text,
        }
    ),
    "success_url": text,
    "ui_mode": one_of("hosted_page"),
}
LIST_SESSIONS: Final[Spec] = {**PAGING, "payment_intent": text, "status": one_of("open", "complete", "expired")}
METADATA_ONLY: Final[Spec] = {"metadata": metadata}
LIST_REFUNDS: Final[Spec] = {**PAGING, "charge": text, "payment_intent": text}
LIST_CHARGES: Final[Spec] = {**PAGING, "payment_intent": text}
LIST_DISPUTES: Final[Spec] = {**PAGING, "charge": text, "payment_intent": text}
UPDATE_DISPUTE: Final[Spec] = {"evidence": anything, "metadata": metadata, "submit": boolean}
LIST_EVENTS: Final[Spec] = {**PAGING, "delivery_success": boolean, "type": text, "types": texts}
CREATE_ENDPOINT: Final[Spec] = {
    "api_version": text,
    "connect": not_here,
    "description": text,
    "enabled_events": texts,
    "metadata": metadata,
    "url": text,
}
UPDATE_ENDPOINT: Final[Spec] = {"description": text, "disabled": boolean, "enabled_events": texts, "metadata": metadata, "url": text}
CREATE_PAYOUT: Final[Spec] = {
    "amount": integer,
    "currency": text,
    "description": text,
    "destination": not_here,
    "metadata": metadata,
    "method": one_of("standard", "instant"),
    "source_type": not_here,
    "statement_descriptor": text,
}
LIST_PAYOUTS: Final[Spec] = {**PAGING, "status": one_of("pending", "paid", "failed", "canceled", "in_transit")}

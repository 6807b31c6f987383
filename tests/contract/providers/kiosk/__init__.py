"""Kiosk, a payment provider that does not exist: the example of docs/providers.md, made as that guide says.

What its documentation would say:

Requests carry `Authorization: Bearer <key>` and JSON. Amounts are decimal text with all of the currency's decimals: "12.50" EUR, RSD or
USD, "1250" JPY, "1.250" KWD. Answers that are no success are {"error": "<code>"}. A reference is the shop's own, at most 64 characters, one
for each payment and each refund: the same request again is answered as the first was, another one with the same reference is 409.

POST /payments {reference, amount, currency, description, return_url, notify_url}    201, again 200: the payment
GET  /payments/{reference}                                                           200: the payment, or 404
POST /payments/{reference}/cancel                                                    200: the payment as it is then; paid ones stay so
POST /refunds {reference, payment, amount}                                           201, again 200: the refund; 422 more than is left
GET  /refunds/{reference}                                                            200: the refund, or 404

payment: {id, reference, state: open | paid | cancelled, amount, currency, pay_url, changed_at}
refund:  {id, reference, payment, state: pending | done | failed, amount, currency, reason, changed_at}; no reference: made at our own site
dispute: {id, payment, amount, currency, changed_at}

Notifications are posted to notify_url until they are answered 2xx: {id, type, at, about}, `about` being one of the above. Types:
payment.paid, payment.declined (an attempt: the payment stays open), payment.cancelled, refund.done, refund.failed (also some time after it
was done), dispute.opened, dispute.won, dispute.lost. `Kiosk-Signature: t=<unix seconds>,s=<hex>` is the HMAC-SHA256 of "<t>.<body>", keyed
by the shop's notification secret and made anew for each attempt.
"""

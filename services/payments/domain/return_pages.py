"""Where a provider sends the payer's browser afterwards: our own pages, which prove nothing and ask for themselves."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from services.payments.domain.payments import Payment


@dataclass(frozen=True, slots=True)
class ReturnPages:
    """`base_url`: PUBLIC_URL, without a slash at its end."""

    base_url: str

    def success(self, payment: Payment) -> str:
        """Waits for the real outcome, and shows it."""
        if payment.order_id is not None:
            return self._page(payment, f"/orders/{payment.order_id}/success?session_id={payment.session_id}")
        if payment.coaching_session_id is not None:
            return self._page(payment, f"{_of_session(payment.coaching_session_id)}/paid?session_id={payment.session_id}")
        query = urlencode({"session_id": str(payment.session_id), "amount": payment.money.major})
        return self._page(payment, f"/balance/deposit/success?{query}")

    def failure(self, payment: Payment) -> str:
        """Says that it did not work, and offers another try."""
        if payment.order_id is not None:
            return self._page(payment, f"/orders/{payment.order_id}/payment-failed?session_id={payment.session_id}")
        if payment.coaching_session_id is not None:
            query = urlencode({"error": "payment_failed", "session_id": str(payment.session_id)})
            return self._page(payment, f"{_of_session(payment.coaching_session_id)}/pay?{query}")
        return self._page(payment, f"/balance/deposit?error=payment_failed&session_id={payment.session_id}")

    def pay(self, payment: Payment) -> str:
        """Our own page, where the payer gives their card's data to a provider's form."""
        return self._page(payment, f"/pay/{payment.session_id}")

    def _page(self, payment: Payment, path: str) -> str:
        return f"{self.base_url}/{payment.locale}{path}"


def _of_session(session_id: str) -> str:
    return f"/sessions/{quote(session_id, safe='')}"

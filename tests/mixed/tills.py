"""A payer at the provider's own page, one class a provider; what the provider refuses is no error here but a fact: nothing was done.

Only Stripe's payer meets the injected faults (the browser talks to the same API): it tries again, as people do.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import httpx

from tests.flow.payers import Page, Payer
from tests.mixed.callers import Caller, NoAnswer
from tests.mixed.world import Record, World

_TRIES: Final = 40
_AGAIN_SECONDS: Final = 0.25


class Till(Protocol):
    """Each deed tells whether the provider did it, and writes it down in the record."""

    async def pay(self) -> bool: ...
    async def decline(self) -> bool: ...
    async def meet_3ds(self, *, passes: bool) -> bool: ...
    async def go_back(self) -> bool: ...
    async def close(self) -> bool: ...
    async def leave_to_bank(self) -> bool: ...
    async def bank_decides(self, *, pays: bool) -> bool: ...
    async def pay_again(self) -> bool: ...


def till(world: World, record: Record, caller: Caller) -> Till:
    kinds: dict[str, Any] = {"stripe": StripeTill, "allsecure": AllSecureTill, "prodamus": ProdamusTill}
    made: Till = kinds[record.provider](world, record, world.payer(caller))
    return made


class _Till:
    def __init__(self, world: World, record: Record, payer: Payer) -> None:
        self.world = world
        self.record = record
        self.payer = payer

    async def open(self, url: str) -> Page:
        """Again where a server of ours is being started, or has no answer yet."""
        for _ in range(_TRIES):
            try:
                page = await self.payer.open(url)
                if page.status not in (429, 503):
                    return page
            except httpx.TransportError:
                pass
            await asyncio.sleep(_AGAIN_SECONDS)
        raise NoAnswer(url)

    async def control(self, deed: str, action: str, **arguments: Any) -> Any:
        """What the control answers; None when the provider refuses, and then nothing was done."""
        result = await self.world.try_control(self.record.provider, action, **arguments)
        if result is not None:
            self.record.did(deed)
        return result

    async def pay_again(self) -> bool:
        raise NotImplementedError

    async def go_back(self) -> bool:
        raise NotImplementedError

    async def leave_to_bank(self) -> bool:
        raise NotImplementedError

    async def bank_decides(self, *, pays: bool) -> bool:
        raise NotImplementedError

    async def meet_3ds(self, *, passes: bool) -> bool:
        raise NotImplementedError


class StripeTill(_Till):
    """Our own page gives the secret; from there the browser talks to Stripe."""

    async def pay(self) -> bool:
        return await self._confirm("paid", "pm_card_visa") == "succeeded"

    async def decline(self) -> bool:
        return await self._confirm("declined", "pm_card_visa_chargeDeclined") is not None

    async def meet_3ds(self, *, passes: bool) -> bool:
        if not await self.close():
            return False
        status = await self.control("paid" if passes else "declined", "require_3ds", reference=self.record.reference, passes=passes)
        return bool(status == "succeeded")

    async def close(self) -> bool:
        return await self._secret() is not None

    async def leave_to_bank(self) -> bool:
        return await self._confirm("left_to_bank", "pm_sepaDebit_success") == "processing"

    async def bank_decides(self, *, pays: bool) -> bool:
        status = await self.control("paid" if pays else "declined", "settle", reference=self.record.reference, succeeds=pays)
        return bool(status == "succeeded")

    async def _secret(self) -> str | None:
        """None: our page leads on, for the payment is over."""
        secret = (await self.open(self.record.payment_url)).data.get("client-secret")
        if secret:
            self.record.reference = secret.partition("_secret_")[0]
        return secret or None

    async def _confirm(self, deed: str, method: str) -> str | None:
        """The intent's status after it; None: nothing was done, it is over."""
        secret = await self._secret()
        if secret is None:
            return None
        for _ in range(_TRIES):
            try:
                answer = await self.payer.confirm_card(secret, method)
                told = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
                if answer.status_code == 200:
                    self.record.did(deed)
                    return str(told["status"])
                if answer.status_code == 402:
                    self.record.did(deed)
                    return "requires_payment_method"
                if answer.status_code == 400:
                    # Paid by an earlier try whose answer was lost, or over.
                    status = str(told["error"].get("payment_intent", {}).get("status"))
                    assert status in ("succeeded", "processing", "canceled"), answer.text
                    if status != "canceled":
                        self.record.did(deed)
                    return status
            except httpx.TransportError:
                pass
            await asyncio.sleep(_AGAIN_SECONDS)
        raise NoAnswer(f"{deed} at stripe")


class AllSecureTill(_Till):
    """The hosted page's buttons. The payer's reference there is the transaction's own, which stands in the page's address."""

    def __init__(self, world: World, record: Record, payer: Payer) -> None:
        super().__init__(world, record, payer)
        record.reference = record.payment_url.rstrip("/").split("/")[-2] if "/redirect/" in record.payment_url else ""

    async def pay(self) -> bool:
        return await self._press("paid", "pay")

    async def decline(self) -> bool:
        return await self._press("declined", "decline")

    async def meet_3ds(self, *, passes: bool) -> bool:
        if not await self._press("asked_3ds", "pay_3ds"):
            return False
        return await self._press("paid" if passes else "declined", "pass_3ds" if passes else "fail_3ds") and passes

    async def go_back(self) -> bool:
        return await self._press("went_back", "cancel")

    async def close(self) -> bool:
        return await self._press("closed", "close")

    async def leave_to_bank(self) -> bool:
        return await self._press("left_to_bank", "pending")

    async def bank_decides(self, *, pays: bool) -> bool:
        outcome = "success" if pays else "declined"
        status = await self.control("paid" if pays else "declined", "settle", reference=self.record.reference, outcome=outcome)
        return bool(status == "SUCCESS")

    async def _press(self, deed: str, button: str) -> bool:
        page = await self.open(self.record.payment_url)
        if button not in page.buttons:
            return False
        answer = await self.payer.press(page, button)
        assert answer.status_code in (200, 302, 303), answer.text
        self.record.did(deed)
        return True


class ProdamusTill(_Till):
    """The link is unknown there until somebody opens it. The controls tell the vendor's own number of what was paid, which the merchant
    needs later."""

    async def pay(self) -> bool:
        return await self._decide("paid", "pay")

    async def decline(self) -> bool:
        return await self._decide("declined", "decline")

    async def go_back(self) -> bool:
        return await self._decide("went_back", "cancel")

    async def close(self) -> bool:
        return (await self.open(self.record.payment_url)).status == 200

    async def pay_again(self) -> bool:
        charge = await self.control("paid_again", "pay_again", reference=self.record.reference)
        return charge is not None

    async def _decide(self, deed: str, action: str) -> bool:
        await self.open(self.record.payment_url)
        self.record.reference = str(await self.world.try_control("prodamus", "visit", url=self.record.payment_url))
        charge = await self.control(deed, action, reference=self.record.reference)
        return charge is not None

"""What another site, another window and another person's token can do to the hosted pages, over the real broker: nothing."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import Final

import httpx
import pytest

from services.gateway.pages.forms import guest_token
from shared.contracts.base import new_id
from shared.contracts.payment_commands import CompleteMockSession
from shared.keys import Keys
from tests.integration.gateway_world import ORIGIN, SECRET, token
from tests.integration.pages_world import HTML, ORDER, SESSION, Site, hidden
from tests.integration.pages_world import running as running
from tests.integration.pages_world import site as site

ID: Final = str(new_id())
FORMS: Final = {
    "/en/logout": "logout",
    "/en/balance": "balance",
    "/en/balance/deposit": "deposit",
    f"/en/balance/withdrawals/{SESSION}/cancel": str(SESSION),
    f"/en/payments/{SESSION}/cancel": str(SESSION),
    f"/en/payments/{SESSION}/confirm": str(SESSION),
    f"/en/payments/{SESSION}/refund": str(SESSION),
    f"/en/sessions/{SESSION}/pay": str(SESSION),
    f"/en/admin/withdrawals/{SESSION}": "withdrawals",
    f"/en/admin/suspense/{SESSION}": "suspense",
}
"""Those that only somebody with an account may send, and what a guest's form could be about to be taken for one of them."""


@pytest.mark.parametrize(("path", "subject"), FORMS.items(), ids=[path.replace(str(SESSION), "id") for path in FORMS])
async def test_what_a_guest_is_given_opens_nobody_elses_form(site: Site, path: str, subject: str) -> None:
    """Anybody orders something, and has a good token for its payment's session: an id that a payment's own page takes too."""
    admin = {"Cookie": f"purser_session={token(roles=['admin'])}"}
    given = hidden(await site.page())["csrf_token"]
    assert given == guest_token(Keys((SECRET,)), str(SESSION))
    fields = {"csrf_token": guest_token(Keys((SECRET,)), subject), "idempotency_key": "k", "confirmed": "yes", "amount": "1"}
    asked = len(site.world.stand_ins.asked)

    answer = await site.send(fields, path, **admin)

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert len(site.world.stand_ins.asked) == asked, "nobody was even asked about it"


@pytest.mark.parametrize("whence", ["cross-site", "same-site"])
async def test_no_other_sites_form_is_taken_not_even_an_allowed_ones(site: Site, whence: str) -> None:
    """Not its login either, which has no session yet that a token could be bound to."""
    fields = {**hidden(await site.page()), "outcome": "success"}
    login = {"login": "testuser", "password": "testuser"}
    for path, form in (("/payment/mock", fields), ("/en/login", login), ("/en/logout", {})):
        foreign = await site.send(form, path, **{"Origin": ORIGIN, "Sec-Fetch-Site": whence})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "csrf_failed"), path
        assert "set-cookie" not in foreign.headers
    assert not site.world.stand_ins.asked_of(CompleteMockSession)
    for own in ("same-origin", "none"):
        assert (await site.send(login, "/en/login", **{"Sec-Fetch-Site": own})).status_code == 303


async def test_nobody_has_a_hold_on_a_page_that_they_have_opened_or_named(site: Site) -> None:
    site.knows_order()
    for path in ("/", "/en/login", f"/payment/mock?session_id={SESSION}", f"/en/orders/{ORDER}/payment-failed", "/en/nothing", f"/{ID}"):
        headers = (await site.page(path)).headers
        assert headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["cache-control"], headers["x-frame-options"]) == ("no-store", "DENY")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//bank.example/pay", "ftp://bank.example/"])
async def test_a_payment_page_is_a_page_of_the_web(site: Site, url: str) -> None:
    """Whatever a provider has answered, or somebody in its place."""
    site.knows_order(payment_status="pending", payment_url=url)
    page = await site.page(f"/en/orders/{ORDER}/pay")

    assert page.status_code == 422
    assert url not in page.text


@pytest.mark.parametrize("address", ["/en/" + "%22" * 15_000, "/en/nothing?" + "&" * 99 + "%3C" * 2_600], ids=["path", "query"])
async def test_a_page_is_not_made_long_by_its_address(site: Site, address: str) -> None:
    page = await site.page(address)

    assert page.status_code == 404
    assert len(page.content) < 4_000
    assert 'href="/?lang=ru"' in page.text, "the languages are still there to choose from"


async def test_the_documentations_page_runs_its_own_script_and_no_other(site: Site) -> None:
    page: httpx.Response = await site.world.http.get("/docs", headers=HTML)
    (inline,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(sha256(inline.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]

    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert f"connect-src 'self' {ORIGIN};" in policy

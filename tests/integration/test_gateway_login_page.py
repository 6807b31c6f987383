"""Where a new user starts, over the real gateway: logging in and out on pages, in their language, and nowhere but to pages of ours."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.integration.gateway_world import gateway_world, token
from tests.integration.pages_world import HTML, SCRIPT, Site, assert_nothing_inline, hidden, logged_in
from tests.integration.pages_world import running as running
from tests.integration.pages_world import site as site

MINE = {"login": "testuser", "password": "testuser"}
ENDED = {"Cookie": f"purser_session={token(seconds=-60)}"}


# ---- in


@pytest.mark.parametrize(
    ("onward", "leads"),
    [
        ("/payment/mock?session_id=1", "/payment/mock?session_id=1"),
        ("", "/sr/balance"),
        ("https://evil.example/", "/sr/balance"),
        ("//evil.example/", "/sr/balance"),
        ("/\\evil.example/", "/sr/balance"),
        ("/a\\b", "/sr/balance"),
        ("/\t/evil.example", "/sr/balance"),
        ("/a\r\nSet-Cookie: a=b", "/sr/balance"),
        ("javascript:alert(1)", "/sr/balance"),
        ("evil.example", "/sr/balance"),
        ("/" + "x" * 600, "/sr/balance"),
    ],
)
async def test_logging_in_leads_to_a_page_of_ours_and_nowhere_else(site: Site, onward: str, leads: str) -> None:
    form = hidden(await site.world.http.get("/sr/login", params={"next": onward}))
    answer = await site.send({"next": onward, **MINE}, "/sr/login")

    assert form["next"] in (onward, "")
    assert (answer.status_code, answer.headers["location"]) == (303, leads)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_a_wrong_password_is_told_in_the_page_and_not_repeated(site: Site) -> None:
    wrong = await site.send({"next": "/a", "login": SCRIPT, "password": "guess-me"}, "/ru/login")
    empty = await site.send({"login": "", "password": ""}, "/ru/login")

    assert (wrong.status_code, empty.status_code) == (401, 422)
    assert 'role="alert"' in wrong.text
    assert "guess-me" not in wrong.text
    assert_nothing_inline(wrong.text)
    assert hidden(wrong)["next"] == "/a"
    assert "set-cookie" not in wrong.headers


async def test_too_many_guesses_are_told_when_to_come_again(amqp_url: str) -> None:
    async with gateway_world(amqp_url, rate_limit_login_failures=1) as world:
        guesses = [await Site(world).send({"login": "testuser", "password": f"guess {n}"}, "/ru/login", **HTML) for n in range(2)]
    assert [answer.status_code for answer in guesses] == [401, 429]
    assert int(guesses[1].headers["retry-after"]) > 0
    assert "Слишком много попыток" in guesses[1].text


async def test_who_only_tries_it_out_is_told_how(site: Site) -> None:
    page = await site.page("/en/login?next=/en/payments%3Fa%3D1")
    links = [unescape(link) for link in re.findall(r'<a class="choice" href="([^"]*)"', page.text)]
    assert [link.partition("login=")[2].partition("&")[0] for link in links] == ["testuser", "mentor", "other", "mentor2", "admin"]
    filled_in = await site.page(links[1])

    assert 'name="login" value="mentor"' in filled_in.text
    assert hidden(filled_in)["next"] == "/en/payments?a=1"
    assert 'name="login" value=""' in (await site.page("/en/login?login=somebody")).text, "no other name stands in the form unasked"


async def test_a_session_that_has_ended_is_told_and_logging_in_leads_back(site: Site) -> None:
    page = "/en/balance/deposit?amount=5"
    sent_on = await site.page(page, **ENDED)
    login = await site.page(sent_on.headers["location"], **ENDED)
    never = await site.page(sent_on.headers["location"])
    back = await site.send({**hidden(login), **MINE}, "/en/login")

    assert "Your session has ended." in login.text
    assert "Your session has ended." not in never.text
    assert "Log in to go on." in never.text
    assert back.headers["location"] == page


# ---- out


async def test_logging_out_needs_the_pages_form(site: Site) -> None:
    me = logged_in()
    fields = hidden(await site.page("/en/login", **me))
    forged = await site.send({"x": ""}, "/en/logout", **me)
    done = await site.send({"csrf_token": fields["csrf_token"]}, "/en/logout", **me)
    nobody = await site.send({"x": ""}, "/en/logout")

    assert (forged.status_code, "set-cookie" in forged.headers) == (403, False)
    assert (done.status_code, done.headers["location"], nobody.status_code) == (303, "/", 303)
    assert re.search(r'purser_session=""; .*max-age=0', done.headers["set-cookie"].lower())


# ---- the start


async def test_the_start_speaks_the_visitors_language_and_shows_the_way_in(site: Site) -> None:
    russian = await site.page("/", **{"Accept-Language": "fr, ru-RU;q=0.8, en;q=0.5"})
    chosen = await site.page("/?lang=sr", **{"Accept-Language": "ru"})
    unknown = await site.page("/?lang=xx", **{"Accept-Language": "de"})

    assert [re.findall(r'<html lang="([^"]*)"', page.text) for page in (russian, chosen, unknown)] == [["ru"], ["sr-Latn"], ["en"]]
    assert 'href="/ru/login"' in russian.text
    assert {"Accept-Language", "Cookie"} <= set(russian.headers["vary"].split(", "))


async def test_whoever_is_logged_in_goes_on_to_their_balance(site: Site) -> None:
    answer = await site.page("/", **logged_in(), **{"Accept-Language": "sr"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sr/balance")


async def test_where_logging_in_is_another_sites_the_start_says_so(amqp_url: str) -> None:
    secret = "Q8wE2rT6yU1iO9pA4sD7fG3hJ5kL0zXc"
    strong = {"secret_key": ("k7Jq2mZx9Lw4Rt6Vb1Ny8Ds3Fg5Hc0Pa",), "jwt_secret": secret}
    public = {"public_url": "https://pay.example.org", "notifier_public_url": "wss://pay.example.org"}
    async with gateway_world(amqp_url, environment="production", **strong, **public) as world:
        site = Site(world)
        start, login, balance = await site.page("/"), await site.page("/en/login"), await site.page("/en/balance/deposit")
        cookie = {"Cookie": f"purser_session={token(secret=secret)}"}
        inside = await site.page("/en/nothing", **cookie)

    assert "Log in at the site that sent you here" in start.text
    assert "/login" not in start.text
    assert (login.status_code, balance.status_code) == (404, 401)
    assert "/login?" not in balance.text
    assert re.findall(r'<balance-widget currency="rsd" login="([^"]*)">', inside.text) == [""], "it leads to no page that is not there"
    assert inside.headers["strict-transport-security"] == "max-age=31536000"

"""Who asks: demo logins, bearer tokens, the cookie with its CSRF token, origins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from shared.keys import Keys
from shared.tickets import TicketOffice
from tests.integration.gateway_world import JWT_SECRET, ORIGIN, SECRET, World, bearer, gateway_world, one_story, token

LOGIN = "/api/v1/auth/login"
SESSION = "/api/v1/auth/session"
ME = "/api/v1/me"
TICKET = "/api/v1/stream/ticket"
CLAIMS = {"sub": "1", "iss": "purser", "aud": "purser", "exp": 4_102_444_800}


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def log_in(world: World, login: str = "testuser", password: str | None = None, **headers: str) -> httpx.Response:
    return await world.http.post(LOGIN, json={"login": login, "password": password or login}, headers=headers)


@pytest.mark.parametrize(
    ("login", "password", "user_id", "role"),
    [
        ("testuser", "testuser", "1", "student"),
        ("test@user.rs", "testuser", "1", "student"),
        ("MENTOR", "mentor", "2", "mentor"),
        ("other@user.rs", "other", "3", "student"),
        ("mentor2", "mentor2", "4", "mentor"),
        ("admin@user.rs", "admin", "9", "admin"),
    ],
)
async def test_the_demo_directory(world: World, login: str, password: str, user_id: str, role: str) -> None:
    response = await log_in(world, login, password)
    answer = response.json()
    world.http.cookies.clear()
    me = await world.http.get(ME, headers={"Authorization": f"Bearer {answer['access_token']}"})

    assert (response.status_code, answer["token_type"]) == (200, "bearer")
    assert answer["expires_in"] > 3000
    assert (me.json()["user_id"], me.json()["roles"], me.json()["locale"]) == (user_id, [role], "en")


async def test_the_cookie_is_http_only_lax_and_not_secure_on_http(world: World) -> None:
    cookie = (await log_in(world)).headers["set-cookie"].lower()
    assert cookie.startswith("purser_session=")
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/", "max-age="))
    assert "secure" not in cookie


async def test_a_cookie_needs_the_csrf_token_where_it_is_unsafe(world: World) -> None:
    csrf = (await log_in(world)).json()["csrf_token"]
    me = await world.http.get(ME)
    without = await world.http.post(TICKET)
    wrong = await world.http.post(TICKET, headers={"X-CSRF-Token": csrf[:-1] + ("A" if csrf[-1] != "A" else "B")})
    right = await world.http.post(TICKET, headers={"X-CSRF-Token": csrf})
    bearers = await world.http.post(TICKET, headers=bearer("3"))
    broken_bearer = await world.http.get(ME, headers={"Authorization": "Bearer nonsense"})

    assert (me.status_code, me.json()["csrf_token"]) == (200, csrf)
    assert [(r.status_code, r.json()["code"]) for r in (without, wrong)] == [(403, "csrf_failed")] * 2
    assert (right.status_code, bearers.status_code) == (200, 200)
    assert (broken_bearer.status_code, broken_bearer.json()["code"]) == (401, "invalid_token"), "the header decides alone"


async def test_logging_out_clears_the_cookie_and_is_guarded_too(world: World) -> None:
    csrf = (await log_in(world)).json()["csrf_token"]
    forged = [await world.http.post("/api/v1/auth/logout"), await world.http.delete(SESSION)]
    out = await world.http.post("/api/v1/auth/logout", headers={"X-CSRF-Token": csrf})
    after = await world.http.get(ME)
    again = await world.http.post("/api/v1/auth/logout")

    assert [answer.status_code for answer in forged] == [403, 403]
    assert (out.status_code, after.status_code, again.status_code) == (200, 401, 200)


async def test_a_deployers_own_token_opens_and_closes_a_session(world: World) -> None:
    anonymous = await world.http.post(SESSION)
    opened = await world.http.post(SESSION, headers=bearer("77", roles=["mentor", "owner"], email=None))
    by_cookie_alone = await world.http.post(SESSION, headers={"X-CSRF-Token": opened.json()["csrf_token"]})
    me = await world.http.get(ME)
    closed = await world.http.delete(SESSION, headers={"X-CSRF-Token": opened.json()["csrf_token"]})
    after = await world.http.get(ME)

    assert (anonymous.status_code, by_cookie_alone.status_code) == (401, 401)
    assert (opened.status_code, opened.json()["user_id"]) == (200, "77")
    assert (me.json()["user_id"], me.json()["roles"], me.json()["email"]) == ("77", ["mentor"], None)
    assert (closed.status_code, closed.content, after.status_code) == (204, b"", 401)


async def test_a_token_that_no_cookie_can_hold_is_refused(world: World) -> None:
    response = await world.http.post(SESSION, headers=bearer("1", padding="x" * 4_000))
    assert (response.status_code, "set-cookie" in response.headers) == (422, False)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer pur_notakey"},
        {"Authorization": f"Bearer {token(seconds=-60)}"},
        {"Authorization": f"Bearer {token(secret='another secret, which is long enough too 12345')}"},
        {"Authorization": f"Bearer {token(aud='another')}"},
        {"Authorization": f"Bearer {token(iss='another')}"},
        {"Authorization": f"Bearer {token(sub='')}"},
        {"Authorization": f"Bearer {jwt.encode({'sub': '1'}, JWT_SECRET, 'HS256')}"},
        {"Authorization": f"Bearer {jwt.encode(CLAIMS, JWT_SECRET * 2, 'HS512')}"},
        {"Authorization": f"Bearer {jwt.encode(CLAIMS, '', 'none')}"},
        {"Authorization": "Bearer " + "x" * 20_000},
    ],
)
async def test_no_or_a_bad_token_is_401(world: World, headers: dict[str, str]) -> None:
    response = await world.http.get(ME, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_every_route_of_the_api_needs_somebody(world: World) -> None:
    document = (await world.http.get("/openapi.json")).json()
    open_to_all = {"/api/v1/auth/login", "/api/v1/auth/logout", "/api/v1/webhooks/{provider}"}
    answers: dict[str, int] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            needs_somebody = operation["security"] and {} not in operation["security"]  # {}: guests may come too
            if path.startswith("/api/v1") and path not in open_to_all and needs_somebody:
                answer = await world.http.request(method, path.replace("{payment_id}", "x"), json={} if method == "post" else None)
                answers[f"{method} {path}"] = answer.status_code
    assert answers == dict.fromkeys(answers, 401)
    assert len(answers) >= 10


async def test_failed_logins_are_limited_and_good_ones_are_not(amqp_url: str) -> None:
    async with gateway_world(amqp_url, rate_limit_login_failures=3) as world:
        good = [(await log_in(world)).status_code for _ in range(6)]
        bad = [(await log_in(world, "admin", "guess")).status_code for _ in range(3)]
        limited = await log_in(world, "admin", "admin")
        others = await log_in(world, "mentor", "mentor")
        unknown = await log_in(world, "nobody", "nothing")

    assert good == [200] * 6
    assert bad == [401] * 3
    assert limited.status_code == 429
    assert 0 < int(limited.headers["Retry-After"]) <= 61
    assert (others.status_code, unknown.status_code) == (200, 401)


async def test_an_address_behind_a_trusted_proxy_is_the_clients(amqp_url: str) -> None:
    async with gateway_world(amqp_url, rate_limit_login_failures=1, trusted_proxies="127.0.0.1") as world:
        first = await log_in(world, "admin", "guess", **{"X-Forwarded-For": "192.0.2.1"})
        same = await log_in(world, "admin", "admin", **{"X-Forwarded-For": "192.0.2.1"})
        another = await log_in(world, "admin", "admin", **{"X-Forwarded-For": "192.0.2.2"})
    assert [answer.status_code for answer in (first, same, another)] == [401, 429, 200]


async def test_nobodys_word_for_a_clients_address_is_taken_by_default(amqp_url: str) -> None:
    async with gateway_world(amqp_url, rate_limit_login_failures=1) as world:
        first = await log_in(world, "admin", "guess", **{"X-Forwarded-For": "192.0.2.1"})
        another = await log_in(world, "admin", "admin", **{"X-Forwarded-For": "192.0.2.2"})
    assert (first.status_code, another.status_code) == (401, 429)


@pytest.mark.parametrize(
    "body", [{}, {"login": "a"}, {"login": 5, "password": "x"}, {"login": "", "password": ""}, {"login": "a", "password": "x" * 300}]
)
async def test_a_malformed_login_is_422_and_repeats_nothing_secret(world: World, body: dict[str, Any]) -> None:
    response = await world.http.post(LOGIN, json=body)
    assert response.status_code == 422
    assert "x" * 100 not in response.text


async def test_production_has_no_demo_logins(amqp_url: str) -> None:
    strong = {"secret_key": ("k7Jq2mZx9Lw4Rt6Vb1Ny8Ds3Fg5Hc0Pa",), "jwt_secret": "Q8wE2rT6yU1iO9pA4sD7fG3hJ5kL0zXc"}
    public = {"public_url": "https://pay.example.org", "notifier_public_url": "wss://pay.example.org"}
    async with gateway_world(amqp_url, environment="production", **strong, **public) as world:
        login = await log_in(world)
        complete = await world.http.post("/api/v1/balance/mock/complete", json={}, headers=bearer("1", secret=strong["jwt_secret"]))
        opened = await world.http.post(SESSION, headers=bearer("1", secret=strong["jwt_secret"]))
        world.http.cookies.clear()
        pages = [await world.http.get(path, headers={"Accept": "text/html"}) for path in ("/sr/login", "/sr/balance/deposit")]
    assert (login.status_code, complete.status_code) == (404, 404)
    assert [page.status_code for page in pages] == [404, 401], "nobody is sent on to a login that is not there"
    assert "Prijavite se na sajtu" in pages[1].text
    assert "secure" in opened.headers["set-cookie"].lower()
    assert "strict-transport-security" in opened.headers


async def test_an_origin_that_is_sent_must_be_allowed(world: World) -> None:
    foreign = {"Origin": "https://evil.example"}
    answers = [
        await world.http.get(ME, headers={**bearer(), **foreign}),
        await log_in(world, **foreign),
        await world.http.post(TICKET, headers={**bearer(), "Origin": "null"}),
        await world.http.options(ME, headers={**foreign, "Access-Control-Request-Method": "GET"}),
    ]
    own = await world.http.get(ME, headers={**bearer(), "Origin": ORIGIN})
    twin = await world.http.get(ME, headers={**bearer(), "Origin": "http://127.0.0.1:8000"})

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "csrf_failed")] * 4
    assert "access-control-allow-origin" not in answers[0].headers
    assert (own.status_code, twin.status_code) == (200, 200)
    assert own.headers["access-control-allow-origin"] == ORIGIN
    assert own.headers["access-control-allow-credentials"] == "true"


async def test_a_preflight_of_an_allowed_origin(world: World) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key, x-csrf-token"}
    answer = await world.http.options("/api/v1/balance/deposit", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]


async def test_a_stream_ticket_is_signed_for_its_user_until_the_tokens_end(world: World) -> None:
    response = await world.http.post(TICKET, headers=bearer("1", seconds=100))
    answer = response.json()
    ticket = TicketOffice(Keys((SECRET,))).verify(answer["ticket"])

    assert (response.status_code, answer["expires_in"]) == (200, 30)
    assert answer["url"] == f"ws://localhost:8001/ws?ticket={answer['ticket']}"
    assert ticket.user_id == "1"
    assert (ticket.session_expires_at - ticket.expires_at).total_seconds() == pytest.approx(70, abs=3)

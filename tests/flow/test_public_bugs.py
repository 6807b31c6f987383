"""Bugs that other systems had in the open, on the running services: webhooks that fail under load, signatures in odd headers, pages that
never show a payment."""

from __future__ import annotations

import ast
import asyncio
import re

import httpx

from deploy.local.services import PROJECT
from deploy.local.stack import Stack
from tests.bench.load import post_all
from tests.bench.seeding import Proof, seed
from tests.flow.people import WAIT_SECONDS, Person, newcomer
from tests.flow.verifying import verify

REFERENCES = (
    ("lago", 5870),
    ("lago", 3618),
    ("lago", 2243),
    ("lago", 3895),
    ("blnk", 238),
    ("blnk", 239),
    ("blnk", 152),
    ("blnk", 181),
    ("blnk", 182),
    ("formance", 364),
    ("formance", 767),
    ("hyperswitch", 3408),
    ("hyperswitch", 9278),
    ("hyperswitch", 3675),
    ("killbill", 643),
    ("killbill", 2227),
    ("medusa", 13301),
    ("saleor", 12491),
    ("saleor", 14733),
    ("btcpay", 5164),
    ("dj-stripe", 2161),
)
"""Project and number of what is described in the open and must not be possible here."""


def test_each_of_them_has_its_test() -> None:
    told = [
        f"{node.name} {ast.get_docstring(node) or ''}"
        for path in (PROJECT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]

    def has_one(name: str, number: int) -> bool:
        return any(re.search(rf"{name}.{{0,40}}(?<!\d){number}(?!\d)", text) for text in told)

    missing = [f"{name} #{number}" for name, number in REFERENCES if not has_one(name, number)]
    assert missing == []


async def test_webhooks_under_load_are_all_taken_and_all_credited_once(two_notifiers: Stack) -> None:
    """dj-stripe #2161: deliveries failed as soon as several came at once, and their money was missing."""
    async with newcomer(two_notifiers) as one, newcomer(two_notifiers) as two, newcomer(two_notifiers) as three:
        proofs = await seed(two_notifiers, [one.id, two.id, three.id], 300)

        # post_all raises for any answer but 200; each delivery comes twice, as providers do.
        await post_all(two_notifiers.gateway_url, [proof for proof in proofs for _ in (1, 2)], connections=64)

        for person in (one, two, three):
            await until_available(person, 10_000)
    code, output = await verify(two_notifiers)
    assert code == 0, output


async def test_a_signature_is_found_whatever_the_case_of_its_header_and_only_over_these_bytes(two_notifiers: Stack) -> None:
    """killbill #2227: the signature's header was looked for under one spelling, so that authentic events were refused."""

    def headers(proof: Proof, spelled: str) -> dict[str, str]:
        lines = [line.split(": ", 1) for line in proof.head.decode().splitlines()]
        return {getattr(str, spelled)(name): value for name, value in lines}

    async with (
        newcomer(two_notifiers) as payer,
        httpx.AsyncClient(base_url=two_notifiers.gateway_url, timeout=WAIT_SECONDS, trust_env=False) as provider,
    ):
        (proof,) = await seed(two_notifiers, [payer.id], 1)
        for spelled in ("title", "upper", "lower"):
            answer = await provider.post("/api/v1/webhooks/mock", content=proof.body, headers=headers(proof, spelled))
            assert answer.status_code == 200, spelled
        answer = await provider.post("/api/v1/webhooks/mock", content=proof.body + b" ", headers=headers(proof, "lower"))
        assert answer.status_code == 400
        await until_available(payer, 100)


async def until_available(person: Person, minor: int) -> None:
    """Dinars."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (await person.balance())["available_minor"] != minor:
            await asyncio.sleep(0.05)


async def test_a_page_that_lost_its_socket_shows_the_payment_when_it_is_back(student: Person) -> None:
    """btcpay #5164: the socket dropped while the payment came in, and the page never showed it."""
    made = await student.deposit(50)
    async with student.socket() as page:
        before = (await page.next("balance.snapshot"))["balances"]
        page.connection.transport.abort()  # as a phone does in a tunnel
        await page.connection.wait_closed()

    assert (await student.complete(made["session_id"])).json()["status"] == "completed"
    async with student.socket() as page:
        after = (await page.next("balance.snapshot"))["balances"]

    def minor(balances: list[dict[str, int]]) -> int:
        return sum(balance["available_minor"] for balance in balances)

    assert minor(after) == minor(before) + 5_000


async def test_a_page_that_stays_open_shows_a_payment_that_another_tab_makes(student: Person) -> None:
    """btcpay #5164, the other way round: nothing but the open socket tells."""
    async with student.socket() as page:
        await page.next("balance.snapshot")
        made = await student.top_up(50)
        frame = await page.next("payment.updated")
    assert (frame["payment_id"], frame["status"]) == (made["payment_id"], "completed")

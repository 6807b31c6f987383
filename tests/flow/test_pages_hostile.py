"""Whatever people and merchants write, every page that anybody can click to shows it as they wrote it; and no click leads nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urljoin

import httpx
import pytest

from deploy.local.stack import Stack
from services.gateway.auth import COOKIE
from tests.flow.people import Person, newcomer
from tests.flow.reading_pages import PageReader
from tests.flow.test_operators import the_item, told

HOSTILE: Final = "\"'></p><script>alert(1)</script><img src=x onerror=alert(1)>&lt;%(a)s{{7*7}}${7*7}"
NAME: Final = '"><img src=x onerror=alert(1)>'
BANK: Final = {"type": "bank_account", "account": "160-'\"><b>-95", "name": NAME}
STARTS: Final = ("/", "/en/balance", "/en/balance/deposit", "/en/payments", "/en/admin", "/en/payments?all=true")
PAGES_MAX: Final = 120


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[tuple[Person, Person, Person]]:
    async with newcomer(stack) as student, newcomer(stack, "mentor") as mentor, newcomer(stack, "admin") as admin:
        yield student, mentor, admin


async def made(person: Person, path: str, body: object, *statuses: int) -> dict[str, str]:
    response = await person.post(path, body)
    assert response.status_code in (statuses or (200, 201)), response.text
    found: dict[str, str] = response.json()
    return found


async def write_everywhere(student: Person, mentor: Person, admin: Person) -> list[str]:
    """The text in each field that takes it; the pages that nobody is linked to from another page."""
    own = {"metadata": {HOSTILE[:40]: HOSTILE}, "external_id": HOSTILE}
    session = f"of-{mentor.id}"
    priced = await mentor.http.put(f"/sessions/{session}", json={"mentor_id": mentor.id, "price": 500, "currency": "rsd", "title": HOSTILE})
    assert priced.status_code in (200, 201), priced.text
    await student.top_up(100)
    intent = {"amount": 500, "currency": "rsd", "session_id": session, "mentor_id": mentor.id, "method": "mock", **own}
    payment = (await made(student, "/payments/create-intent", intent))["payment_id"]
    await made(student, f"/payments/confirm/{payment}", None)
    await made(mentor, f"/payments/refund/{payment}", {"amount": 100, "reason": HOSTILE, **own})
    ids = [
        (await made(student, "/balance/withdraw", {"amount": 10, "currency": "rsd", "destination": BANK}))["withdrawal_id"] for _ in "ab"
    ]
    await made(admin, f"/withdrawals/{ids[0]}/reject", {"reason": HOSTILE})
    given = {"amount": 5, "currency": "rsd", "from_user_id": student.id, "to_user_id": mentor.id, "reason": HOSTILE}
    await made(admin, "/transfers", given)
    strange = await student.deposit(7, "dkk")
    await told(admin, strange["session_id"], amount="5")
    item = (await the_item(admin, strange))["id"]
    await made(admin, f"/suspense/{item}/write-off", {"reference": HOSTILE, "reason": HOSTILE})
    return [f"/en/sessions/{session}/pay", f"/en/sessions/{session}/paid?payment_id={payment}", f"/en/admin/withdrawals/{ids[0]}",
            f"/en/admin/suspense/{item}", "/en/admin/withdrawals?status=rejected"]  # fmt: skip


async def walk(stack: Stack, person: Person, starts: list[str]) -> dict[str, PageReader]:
    """Every page that is linked to from the starts, and from those that are."""
    cookies = {COOKIE: person.http.headers["Authorization"].split()[1]}
    pages: dict[str, PageReader] = {}
    due = [(path, "", 0) for path in starts]
    async with httpx.AsyncClient(
        base_url=stack.gateway_url, cookies=cookies, timeout=20, trust_env=False, headers={"Accept": "text/html"}
    ) as http:
        while due and len(pages) < PAGES_MAX:
            path, whence, depth = due.pop(0)
            if path in pages or path == "/docs":
                continue
            answer = await http.get(path, follow_redirects=True)
            if not whence and answer.status_code in (403, 404):
                continue  # not everybody may begin everywhere
            assert answer.status_code == 200, f"{whence} leads to {path}: {answer.status_code}"
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            page = pages[path] = PageReader(answer.text)
            assert page.wrong == [], path
            if depth < 2:
                due += [(urljoin(path, link).partition("#")[0], path, depth + 1) for link in page.links]
    return pages


async def test_nothing_that_anybody_writes_breaks_out_of_a_page(stack: Stack, people: tuple[Person, Person, Person]) -> None:
    student, mentor, admin = people
    more = await write_everywhere(student, mentor, admin)
    seen = {person.id: await walk(stack, person, [*more, *STARTS]) for person in people}

    for person, least in ((student, 5), (mentor, 3), (admin, 5)):
        showing = [path for path, page in seen[person.id].items() if HOSTILE in "".join(page.texts)]
        assert len(showing) >= least, f"the text was to be seen by {person.id}, but only on {showing}"

"""Settings that are odd but allowed: the system answers all the same."""

from __future__ import annotations

from tests.flow.people import logged_in
from tests.servers import MakeStack


async def test_a_provider_that_is_named_but_not_available_is_played_by_the_mock(make_stack: MakeStack) -> None:
    """Left alone, its payments would be accepted and never get anywhere."""
    stack = await make_stack({"PROVIDERS": "stripe,mock"})
    async with logged_in(stack.gateway_url, stack.notifier_urls[0]) as student:
        for method in ({}, {"method": "stripe"}):
            made = await student.post("/balance/deposit", {"amount": 5, "currency": "rsd", **method})
            assert (made.status_code, made.json()["method"]) == (201, "mock"), made.text

"""Whatever is asked of the gateway, it answers as its OpenAPI document says: every check of schemathesis, over the four real services."""

from __future__ import annotations

import re

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from services.gateway.problems import CODES
from tests.flow.people import logged_in
from tests.flow.verifying import verify
from tests.fuzz.hooks import DECISIONS
from tests.fuzz.run import SETTINGS, furnish, fuzz
from tests.servers import shared_stack


def test_each_refusal_that_is_no_failure_has_its_reason() -> None:
    refusals = {code for code, (status, _) in CODES.items() if status in (400, 402, 422)}
    assert set(DECISIONS) == refusals - {"invalid_request"}


@pytest.mark.timeout(300)
async def test_the_gateway_keeps_to_its_document(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> None:
    """The same cases each time; `make fuzz` looks for others. Afterwards the book adds up: no nonsense has moved money."""
    async with shared_stack(postgres_server, rabbitmq_server, SETTINGS) as stack:
        await furnish(stack)
        async with logged_in(stack.gateway_url, stack.notifier_urls[0]) as student:
            document = (await student.http.get(f"{stack.gateway_url}/openapi.json")).json()
        status, output = await fuzz(stack, "--generation-deterministic", "--max-examples", "6", timeout_seconds=240)
        book, told = await verify(stack, "--settle-seconds", "10")
        troubled = [file.name for file in stack.logs.glob("*.log") if b"Traceback" in file.read_bytes()]

    assert status == 0, output
    operations = sum(len(methods) for methods in document["paths"].values())
    assert re.search(rf"Tested: {operations}\b", output), output
    assert book == 0, told
    assert troubled == [], "something failed, and was tried again or answered all the same"

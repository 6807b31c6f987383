"""README's chapters, as they stand: every block of shell runs in one shell, from top to bottom, against the running services."""

from __future__ import annotations

import asyncio
import os
import re
import shutil

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitmqServer
from deploy.local.services import PROJECT
from deploy.local.stack import Stack
from deploy.local.stand_ins import needed
from tests.servers import shared_stack

BLOCKS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 60


pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def test_the_api_chapter_runs_as_it_stands(two_notifiers: Stack) -> None:
    blocks = blocks_of("### By example\n")
    assert len(blocks) > 5

    # A second time too, as whoever reads it does: what a run has left behind is in nobody's way.
    for _run in range(2):
        output = await paste(blocks, two_notifiers)
        assert output.count(b'"status":"completed"') >= 3


async def test_the_stand_ins_chapter_runs_as_it_stands(postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> None:
    start, *blocks = blocks_of("### Try the real providers' flow without them\n")
    named = re.search(r"make run PROVIDERS=(\S+)", start)
    assert named is not None

    async with shared_stack(postgres_server, rabbitmq_server, {"PROVIDERS": named[1]}, stand_ins=needed({"PROVIDERS": named[1]})) as stack:
        output = await paste(blocks, stack)
    assert b'"status":"completed"' in output
    assert b'"amount_minor":2000' in output


def blocks_of(heading: str) -> list[str]:
    chapter = (PROJECT / "README.md").read_text(encoding="utf-8").split(heading)[1]
    return BLOCKS.findall(chapter.split("\n## ")[0])


async def paste(blocks: list[str], stack: Stack) -> bytes:
    """What the shell printed."""
    # -x tells which line failed; a failure anywhere, also within a pipe, ends it.
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-euxo",
        "pipefail",
        "-c",
        "\n".join(blocks),
        env={"PATH": os.environ["PATH"], "PURSER_URL": stack.gateway_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_SECONDS):
        output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()[-3_000:]
    return output

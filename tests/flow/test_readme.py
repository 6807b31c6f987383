"""README's API chapter, as it stands: every block of shell runs in one shell, from top to bottom, against the running services."""

from __future__ import annotations

import asyncio
import os
import re
import shutil

import pytest

from deploy.local.services import PROJECT
from deploy.local.stack import Stack

BLOCKS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 60


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_api_chapter_runs_as_it_stands(two_notifiers: Stack) -> None:
    chapter = (PROJECT / "README.md").read_text(encoding="utf-8").split("### By example\n")[1].split("\n## ")[0]
    blocks = BLOCKS.findall(chapter)
    assert len(blocks) > 5

    # A second time too, as whoever reads it does: what a run has left behind is in nobody's way.
    for _run in range(2):
        # -x tells which line failed; a failure anywhere, also within a pipe, ends it.
        shell = await asyncio.create_subprocess_exec(
            "bash",
            "-euxo",
            "pipefail",
            "-c",
            "\n".join(blocks),
            env={"PATH": os.environ["PATH"], "PURSER_URL": two_notifiers.gateway_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_SECONDS):
            output, _ = await shell.communicate()

        assert shell.returncode == 0, output.decode()[-3_000:]
        assert output.count(b'"status":"completed"') >= 3

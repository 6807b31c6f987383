"""`make reconcile` in a checkout: it takes the stand-ins that run, moves nobody's port, and says so when they are gone."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from deploy.local.errors import LocalError
from deploy.local.ports import free_port
from deploy.local.reconcile import require_running
from deploy.local.stand_ins import NAMES, StandIns


def stand_ins(folder: Path) -> StandIns:
    return StandIns(("stripe",), folder, folder / "logs", {}, None, None)


def remember(folder: Path, port: int) -> str:
    text = json.dumps({name: port + index for index, name in enumerate(NAMES)})
    (folder / "stand-in-ports.json").write_text(text)
    return text


def test_running_ones_keep_their_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        before = remember(tmp_path, port)
        running = stand_ins(tmp_path)
        require_running(running)
        assert running.settings["STRIPE_API_BASE"] == f"http://127.0.0.1:{port}"
        assert (tmp_path / "stand-in-ports.json").read_text() == before


def test_one_that_is_gone_is_named(tmp_path: Path) -> None:
    remember(tmp_path, free_port())
    with pytest.raises(LocalError, match="what plays stripe here does not run, and its book is gone with it"):
        require_running(stand_ins(tmp_path))


def test_one_that_never_ran_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="nothing plays stripe here"):
        require_running(stand_ins(tmp_path))

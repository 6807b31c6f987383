"""`make reconcile` in a checkout: it takes the stand-ins that run, moves nobody's port, and says so when they are gone."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from deploy.local.errors import LocalError
from deploy.local.ports import free_port
from deploy.local.reconcile import require_running
from deploy.local.stand_ins import NAMES, StandIns, configured


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


def test_ones_that_had_to_take_other_ports_are_found_there(tmp_path: Path) -> None:
    started = stand_ins(tmp_path)
    with socket.create_server(("127.0.0.1", started.port("stripe"))):
        started.choose_ports_again()
        with socket.create_server(("127.0.0.1", started.port("stripe"))):
            running = stand_ins(tmp_path)
            require_running(running)
            assert running.port("stripe") == started.port("stripe")


def test_those_that_are_gone_are_named(tmp_path: Path) -> None:
    remember(tmp_path, free_port())
    with pytest.raises(LocalError, match="what plays stripe here does not run, and its book is gone with it"):
        require_running(stand_ins(tmp_path))
    with pytest.raises(LocalError, match="what plays stripe, allsecure and prodamus here does not run"):
        require_running(StandIns(NAMES, tmp_path, tmp_path / "logs", {}, None, None))


def test_whether_there_is_anybody_to_compare_with() -> None:
    assert not configured({"PROVIDERS": "mock", "DATABASE_URL": "postgresql://localhost/purser"})
    assert configured({"PROVIDERS": "mock,prodamus"}), "played here"
    assert configured({"ALLSECURE_API_KEY": "key"})


def test_one_that_never_ran_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="nothing plays stripe here"):
        require_running(stand_ins(tmp_path))

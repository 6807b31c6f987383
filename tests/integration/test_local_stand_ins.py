"""The runner's stand-ins for payment providers: only where nothing is configured, with a checkout's own secrets, mended, gone after."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.errors import LocalError
from deploy.local.ports import is_free
from deploy.local.stack import Stack
from deploy.local.stand_ins import NAMES, StandIns, needed
from deploy.local.supervisor import Patience, Supervisor

NOWHERE = "http://127.0.0.1:9"


def stand_ins(folder: Path, *names: str, supervisor: Supervisor | None = None) -> StandIns:
    return StandIns(names, folder, folder / "logs", {}, supervisor, None)


async def stripe_says(told: dict[str, str], key: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{told['STRIPE_API_BASE']}/v1/payment_intents", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code


def test_who_is_named_and_not_configured_needs_one() -> None:
    assert needed({}) == ()
    assert needed({"PROVIDERS": "mock"}) == ()
    assert needed({"PROVIDERS": "mock, prodamus,stripe,unknown"}) == ("stripe", "prodamus")
    assert needed({"PROVIDERS": "stripe,allsecure", "STRIPE_SECRET_KEY": "sk_test_1"}) == ("allsecure",)
    assert needed({"PROVIDERS": "stripe,prodamus", "STRIPE_WEBHOOK_SECRET": "whsec_1", "PRODAMUS_PAGE_URL": "https://a.payform.ru"}) == ()


def test_production_plays_nothing(tmp_path: Path) -> None:
    production = {"ENVIRONMENT": "production"}
    assert Stack(tmp_path, production).stand_ins.settings == {}
    with pytest.raises(
        LocalError, match=r"^PROVIDERS names stripe and prodamus, whose credentials are not set, and in production no stand-in"
    ):
        Stack(tmp_path, production, stand_ins=("stripe", "prodamus"))


async def test_what_dies_is_mended_and_a_stop_leaves_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, Patience(first_pause_seconds=0.05))
    some = stand_ins(tmp_path, *NAMES, supervisor=supervisor)
    await some.start(NOWHERE)
    told, ports = some.settings, {name: some.port(name) for name in NAMES}
    pids = {name: some.child(name).pid for name in NAMES}
    try:
        assert await stripe_says(told, told["STRIPE_SECRET_KEY"]) == 200
        assert await stripe_says(told, "sk_test_emulator") == 401, "a checkout's stand-in takes that checkout's key alone"
        commands = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in pids.values())
        assert [name for name, value in told.items() if value in commands] == [], "everybody may read a command line"

        psutil.Process(pids["allsecure"]).kill()
        async with asyncio.timeout(20):
            while "allsecure-stand-in runs again" not in said:
                await asyncio.sleep(0.01)
        pids["mended"] = some.child("allsecure").pid
        assert not is_free(ports["allsecure"]), "where it was"
    finally:
        await supervisor.close()
        await some.stop()
    assert len(set(pids.values())) == 4
    assert [pid for pid in pids.values() if psutil.pid_exists(pid)] == []
    assert all(is_free(port) for port in ports.values())


def test_ports_and_secrets_are_the_checkouts_own_and_stay(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first, again, other = (stand_ins(tmp_path / folder, *NAMES).settings for folder in ("one", "one", "other"))
    assert first == again
    assert first.keys() == other.keys()
    assert [name for name in first if first[name] == other[name]] == ["PRODAMUS_SYS"]
    assert stand_ins(tmp_path / "one", "allsecure").settings.items() <= first.items(), "whatever runs beside it"


async def test_a_port_that_was_taken_meanwhile_is_replaced_before_the_start_and_named_after(tmp_path: Path) -> None:
    some = stand_ins(tmp_path, "prodamus")
    port = some.port("prodamus")
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(LocalError, match=rf"^prodamus-stand-in: port {port} is taken$"):
            await some.start(NOWHERE)
        some.choose_ports_again()
        assert some.port("prodamus") != port

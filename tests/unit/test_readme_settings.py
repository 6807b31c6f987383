"""README's table of settings and the services' own are the same: names, and the defaults that are numbers."""

from __future__ import annotations

import re
from pathlib import Path

from services.gateway.config import GatewaySettings
from services.notifier.config import NotifierSettings
from services.payments.config import PaymentsSettings
from services.wallet.config import WalletSettings

README = Path(__file__).resolve().parents[2] / "README.md"
FIELDS = {
    name.upper(): field
    for settings in (GatewaySettings, PaymentsSettings, WalletSettings, NotifierSettings)
    for name, field in settings.model_fields.items()
}


def rows() -> list[tuple[list[str], str]]:
    """(the names of a row's first cell, the row)."""
    table = README.read_text(encoding="utf-8").split("\n## Settings\n")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([A-Z0-9_]+)`", line.split(" | ")[0]), line) for line in lines]


def test_every_setting_has_its_row_and_no_row_is_of_another() -> None:
    assert sorted(name for names, _ in rows() for name in names) == sorted(FIELDS)


def test_every_default_that_is_a_number_is_told() -> None:
    untold = [
        (name, FIELDS[name].default)
        for names, line in rows()
        for name in names
        if type(FIELDS[name].default) in (int, float) and not re.search(rf"(?<![\d.]){FIELDS[name].default}(?![\d.]*\d)", line)
    ]
    assert untold == []

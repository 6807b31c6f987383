"""Each service's lock file holds all that the service needs: it can be imported with nothing else of what is installed here."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent

_IMPORT_WITH_NOTHING_ELSE = """
import sys

class Refuse:
    def __init__(self, modules):
        self.modules = modules

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.modules:
            raise ModuleNotFoundError(f"{name} is not in the service's lock file", name=name)

sys.meta_path.insert(0, Refuse(set(sys.argv[2].split(","))))
__import__(sys.argv[1])
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", ["gateway", "payments", "wallet", "notifier"])
def test_a_service_needs_no_more_than_its_lock_file(service: str) -> None:
    lock = (PROJECT / "requirements" / f"{service}.lock").read_text(encoding="utf-8")
    locked = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    assert locked
    foreign = [
        module for module, owners in packages_distributions().items() if module.isidentifier() and not {normal(o) for o in owners} & locked
    ]
    assert "pytest" in foreign

    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_WITH_NOTHING_ELSE, f"services.{service}.main", ",".join(foreign)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]

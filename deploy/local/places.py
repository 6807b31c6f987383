"""Where the local servers keep secrets and data, and which account they run as when we are root."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from deploy.local.processes import User


def kept_secret(file: Path) -> str:
    """The secret in the file (43 URL-safe characters, 32 random bytes), made on the first call; two callers at once get the same one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)  # unlike rename, never replaces a secret that another process has just made
        draft.unlink()
    return file.read_text().strip()


def server_user() -> User | None:
    """PostgreSQL refuses to run as root: `nobody` then; None when we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("nobody")
    return User(account.pw_uid, account.pw_gid)


def can_reach(path: Path, user: User | None) -> bool:
    """True if the user may pass through every folder above the path and, as far as it exists, into it."""
    if user is None:
        return True
    resolved = path.resolve()
    return all(_may_pass(folder, user) for folder in (resolved, *resolved.parents) if folder.is_dir())


def has_plain_path(folder: Path) -> bool:
    """True if shell scripts that do not quote, as RabbitMQ's and Erlang's, can work in the folder."""
    return re.fullmatch(r"[\w./@%+,:-]+", str(folder.absolute()), flags=re.ASCII) is not None


def usable_folder(folder: Path, user: User | None, *, plain: bool = False) -> Path:
    """The folder, made for the user; or, where the user cannot reach it or (`plain`) its path has spaces and the like, a folder
    elsewhere that `<folder>.location` names."""
    if can_reach(folder.parent, user) and (has_plain_path(folder) or not plain):
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            _give(folder, user)
        return folder
    pointer = folder.with_name(folder.name + ".location")
    with contextlib.suppress(OSError):
        elsewhere = Path(pointer.read_text().strip())
        # A copied checkout carries the pointer along: the data is not its own.
        if (elsewhere / "belongs-to").read_text() == str(folder.resolve()):
            return elsewhere
    # Not TMPDIR: it may be as private as the project, and what lies there may be swept away.
    root = Path("/var/lib") if os.access("/var/lib", os.W_OK) else Path("/var/tmp")  # noqa: S108 - mkdtemp makes it private
    elsewhere = Path(tempfile.mkdtemp(prefix="purser-", dir=root))
    (elsewhere / "belongs-to").write_text(str(folder.resolve()))
    _give(elsewhere, user)
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.write_text(f"{elsewhere}\n")
    return elsewhere


def forget_folder(folder: Path) -> None:
    """Deletes what `usable_folder` made, wherever it lies."""
    pointer = folder.with_name(folder.name + ".location")
    with contextlib.suppress(OSError):
        elsewhere = Path(pointer.read_text().strip())
        if (elsewhere / "belongs-to").read_text() == str(folder.resolve()):
            shutil.rmtree(elsewhere, ignore_errors=True)
    pointer.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _may_pass(folder: Path, user: User) -> bool:
    facts = folder.stat()
    if facts.st_uid == user.user_id:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == user.group_id:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def _give(path: Path, user: User | None) -> None:
    if user is not None:
        os.chown(path, user.user_id, user.group_id)

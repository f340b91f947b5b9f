"""Whose the files are, and who else may read or write them."""

import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dispatchd.doctor.finding import Finding, act, ok
from dispatchd.doctor.patient import Patient

CHECK: Final = "permissions"
BESIDE: Final = ("", "-wal", "-shm", ".lock", ".control")
_FILE_REFERENCE: Final = re.compile(r"\$\{file:([^}]+)\}")


def look(patient: Patient) -> Iterator[Finding]:
    """Judge the config and the files that it reads secrets from, then the database's."""
    found = [*_secrets(patient), *judge_directory(patient.database.parent), *_database(patient)]
    yield from found
    if not found:
        yield ok(CHECK, f"the config is private, {patient.database.parent} is writable")


def _secrets(patient: Patient) -> Iterator[Finding]:
    trusted = {0, os.geteuid(), patient.uid(), _owner(patient.database)}
    for path in (patient.source, *referred(patient.source)):
        try:
            found = path.stat()
        except OSError:
            continue  # it could be read a moment ago, or the config would not be good
        mode = stat.S_IMODE(found.st_mode)
        if mode & stat.S_IRWXO:
            yield act(
                CHECK,
                f"{path} has mode {mode:04o}: everybody on this machine may open it",
                f"chmod o-rwx {path}",
            )
        if found.st_uid not in trusted:
            yield act(
                CHECK,
                f"{path} belongs to {_name(found.st_uid)}, who can change what dispatchd does",
                f"chown root {path}",
            )


def referred(source: Path) -> list[Path]:
    """Return the files that the config reads secrets from."""
    return [Path(name) for name in dict.fromkeys(_FILE_REFERENCE.findall(source.read_text()))]


def judge_directory(directory: Path) -> Iterator[Finding]:
    """Judge where the database is, or will be."""
    try:
        mode = directory.stat().st_mode
    except OSError as error:
        yield act(
            CHECK,
            f"{directory}, where the database belongs: {error.strerror}",
            f"mkdir {directory}",
        )
        return
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        owner = _name(directory.stat().st_uid)
        yield act(
            CHECK,
            f"{directory} cannot be written by this user, {_name(os.geteuid())}; SQLite puts files"
            " beside the database",
            f"run the daemon, and this, as {owner}",
        )
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield act(
            CHECK,
            f"everybody on this machine may replace files in {directory}",
            f"chmod o-w {directory}",
        )


def _database(patient: Patient) -> Iterator[Finding]:
    database = patient.database
    owner = _owner(database)
    if owner is None:
        return
    mode = stat.S_IMODE(database.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield act(
            CHECK,
            f"{database} has mode {mode:04o}: others may open it, and it holds every body that"
            " was received",
            f"chmod 600 {database}*, unless that is meant",
        )
    for end in BESIDE[1:]:
        beside = Path(f"{database}{end}")
        other = _owner(beside)
        if other not in (None, owner):
            yield act(
                CHECK,
                f"{beside} belongs to {_name(other)}, the database to {_name(owner)}",
                f"chown {_name(owner)} {beside}",
            )
    uid = patient.uid()
    if uid not in (None, 0, owner):
        yield act(
            CHECK,
            f"the daemon runs as {_name(uid)}, and the database belongs to {_name(owner)}",
            f"chown {_name(uid)} {database}*",
        )


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _name(uid: int | None) -> str:
    if uid is None:
        return "nobody"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

"""docs/upgrading.md says what an upgrade does, and its way back is one."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from released import asked, unpack

from dispatchd.config import parse
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.upgrade import (
    BACKUPS_KEPT,
    SCHEMA_VERSION,
    SPARE_BYTES,
    backup_path,
)
from dispatchd.store.upgrade import TELL_EVERY_S, UpgradeStep
from dispatchd.upkeep.disk_watch import DEFAULT_BYTES, SMALL_SHARE

TEXT = (Path(__file__).parents[2] / "docs" / "upgrading.md").read_text(encoding="utf-8")
STORE = Path("/var/lib/dispatchd")


def upgraded(path: Path) -> list[UpgradeStep]:
    steps: list[UpgradeStep] = []

    async def upgrade() -> None:
        store = SqliteStore(str(path))
        await store.open(tell=steps.append)
        await store.close()

    asyncio.run(upgrade())
    return steps


def test_the_numbers_are_those_of_the_code():
    text = " ".join(TEXT.split())
    assert f"to today's, schema {SCHEMA_VERSION}:" in text
    assert f"and {SPARE_BYTES // 1024**2} MiB." in text
    assert f"every {TELL_EVERY_S:g} s while" in text
    assert f"The last {BACKUPS_KEPT} of these copies are kept" in text
    assert SMALL_SHARE == 20
    assert f"less than {DEFAULT_BYTES // 1024**2} MiB of the disk are free" in text
    assert backup_path(str(STORE / "dispatchd.db"), 7) in text


def test_the_line_of_the_log_is_one(tmp_path):
    line = json.loads(re.search(r"```json\n(.*?)\n```", TEXT, re.DOTALL)[1])
    (copy, *_) = upgraded(unpack(7, tmp_path / "dispatchd.db"))
    told = {"doing": copy.doing, "before": copy.before, "backup": copy.backup}
    told["backup"] = told["backup"].replace(str(tmp_path), str(STORE))
    assert line == {"event": "upgrade", **told, "after": line["after"], "percent": 40}


def test_the_config_is_one():
    (yaml,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert parse(yaml).storage.backup_before_upgrade is False


def test_the_way_back_is_one(tmp_path):
    path = unpack(7, tmp_path / "dispatchd.db")
    before = asked(path, "SELECT * FROM deliveries ORDER BY 1, 2")
    upgraded(path)
    recipe = re.search(r"## The way back.*?```sh\n(.*?)```", TEXT, re.DOTALL)[1]
    assert f"cd {STORE}\n" in recipe
    recipe = recipe.replace(str(STORE), str(tmp_path)).replace("-o dispatchd -g dispatchd ", "")
    quiet = tmp_path / "bin"
    quiet.mkdir()
    (quiet / "systemctl").symlink_to(shutil.which("true"))
    environ = {**os.environ, "PATH": f"{quiet}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", recipe], check=True, env=environ)
    assert asked(path, "PRAGMA user_version") == [(7,)]
    assert asked(path, "SELECT * FROM deliveries ORDER BY 1, 2") == before
    assert asked(tmp_path / "newer/dispatchd.db", "PRAGMA user_version") == [(SCHEMA_VERSION,)]

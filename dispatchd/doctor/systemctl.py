"""What systemd tells of a unit."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ASKED: Final = (
    "LoadState,ActiveState,SubState,Result,NRestarts,UnitFileState,NeedDaemonReload,MainPID"
)
TIMEOUT_S: Final = 5.0
SYSTEMD: Final = Path("/run/systemd/system")  # sd_booted(3)


def show(unit: str) -> Mapping[str, str] | None:
    """Ask systemd for the state of a unit; None where there is no systemd to ask."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not SYSTEMD.is_dir():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a list, of our own words
            [systemctl, "show", f"--property={ASKED}", "--", unit],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

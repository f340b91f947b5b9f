"""How long a test waits for what must happen: only what hangs lasts so long, on any machine."""

from typing import Final

HANG_S: Final = 120.0

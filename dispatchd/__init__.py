"""dispatchd: a durable webhook gateway in one process."""

from typing import Final

__version__: Final = "0.1.0"

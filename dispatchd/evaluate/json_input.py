"""A document as evaluations read it, by the letter of JSON."""

import sys
from typing import Any


def loads(text: str | bytes) -> Any:
    """Read JSON; 1e999 is the largest number. Raises ValueError, or RecursionError."""
    import json  # noqa: PLC0415 - few documents of JSONata come here, and the process stays small

    return json.loads(text, parse_float=_finite, parse_constant=_no_constant)


def _finite(digits: str) -> float:
    return max(-sys.float_info.max, min(sys.float_info.max, float(digits)))


def _no_constant(name: str) -> float:
    raise ValueError(name)

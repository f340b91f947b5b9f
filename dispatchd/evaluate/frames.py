"""The frames between the daemon and an evaluator process, and the bounds of a job.

Request: kind (a byte), the lengths of expression, bindings and document (three big-endian
uint32), then those; bindings are a JSON object or empty. Reply: status byte, a byte that says
whether the process ends now, length (uint32), payload: the result, nothing, or an error message.
"""

import struct
from typing import Any, Final

REQUEST: Final = struct.Struct(">BIII")
REPLY: Final = struct.Struct(">B?I")
# The kinds of job: what can be bounded this way.
JSONATA: Final = 0
TEMPLATE: Final = 1  # `expression` is a `template_source`, the result {"tree": …, "missing": […]}
VALUE, NOTHING, ERROR = range(3)
EXIT_BROKEN: Final = 70  # a job broke the process: not enough memory for it, or the engine gave up

CPU_MAX_MS: Final = 500
RESULT_MAX_BYTES: Final = 10 * 1024 * 1024
MESSAGE_MAX_BYTES: Final = 1024 * 1024  # of a rendered template: more than any platform takes
STRING_MAX_BYTES: Final = 32 * 1024 * 1024  # of a text on the way to the result
MEMORY_MAX_BYTES: Final = 384 * 1024 * 1024  # address space, of which the interpreter takes 50 MiB
RETIRE_BYTES: Final = 64 * 1024 * 1024  # resident: what a large document left is given back


def template_source(variant: str, tree: Any) -> str:
    """Spell a template's variant, `default` or a type's own, as a job's `expression`."""
    import json  # noqa: PLC0415 - not for the process, which stays small

    return json.dumps({"variant": variant, "tree": tree}, ensure_ascii=False)

"""Type `command`: a program, given the body on its stdin and the event in its environment.

No shell is asked. Nothing that a sender chose is among the arguments, unless the config's `args`
put it there. Exit codes are those of sysexits.h where they mean something: 0 is success, 75
(EX_TEMPFAIL) "later", and anything else a failure.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dispatchd.frozen import frozen
from dispatchd.model import (
    Command,
    Delivered,
    Delivery,
    ErrorClass,
    Event,
    Failed,
    Failure,
    Judged,
    Outcome,
    Whose,
)
from dispatchd.strangers import utf8

PREFIX: Final = "DISPATCH_"
LATER: Final = 75
# Linux takes 128 KiB for each string, and for all of them at least a quarter of the 8 MiB stack.
TEXT_MAX_BYTES: Final = 128 * 1024 - 1
TEXTS_MAX_BYTES: Final = 1024 * 1024
_OURS: Final = (ErrorClass.INTERNAL, ErrorClass.COMMAND)
_MARKS: Final = ("{{", "{%", "{#")


def is_template(text: str) -> bool:
    """Whether a text of the config has blanks; any other stands as it is written."""
    return any(mark in text for mark in _MARKS)


@frozen(repr=False)
class CommandCourier:
    """Runs `run` with `args` behind it. `later_ms` is how long 75 asks for."""

    run: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    pass_env: tuple[str, ...]
    cwd: str | None
    timeout_s: float
    grace_s: float
    later_ms: int

    def blanks(self) -> Mapping[str, Any] | None:
        """Return the templates, as a tree; None where there is none."""
        env = {name: text for name, text in self.env.items() if is_template(text)}
        if not env and not any(map(is_template, self.args)):
            return None
        return {"env": env, "args": list(self.args)}

    def filled_problem(self, filled: Any) -> str | None:
        """Say why a program cannot be given what the templates made."""
        named = {f"env.{name}": text for name, text in filled["env"].items()}
        named |= {f"args[{index}]": text for index, text in enumerate(filled["args"])}
        lengths = {place: len(text.encode()) + len(place) for place, text in named.items()}
        for place, text in named.items():
            if "\0" in text:
                return f"{place}: it holds a NUL, which no program can be given"
            if lengths[place] > TEXT_MAX_BYTES:
                return f"{place}: it is longer than 128 KiB; read the body from stdin"
        if sum(lengths.values()) > TEXTS_MAX_BYTES:
            return "env and args: they are longer than 1 MiB; read the body from stdin"
        if "--" in self.run[1:]:
            return None
        for index, (written, text) in enumerate(zip(self.args, filled["args"], strict=True)):
            if text.startswith("-") and not written.startswith("-"):
                return f'args[{index}]: it would be taken for an option; end run with "--"'
        return None

    def compose(
        self,
        event: Event,
        delivery: Delivery,
        content: bytes | None,
        now_ms: int,
    ) -> Command:
        """Build what is run where nothing is to be filled in."""
        return self.compose_filled(event, delivery, content, {"env": {}, "args": self.args})

    def compose_filled(
        self, event: Event, delivery: Delivery, content: bytes | None, filled: Any
    ) -> Command:
        """Build what is run; `content` is on its stdin in place of the body."""
        return Command(
            argv=(*self.run, *filled["args"]),
            env={**self.env, **filled["env"], **event_variables(event, delivery, content)},
            pass_env=self.pass_env,
            cwd=self.cwd,
            stdin=event.body if content is None else content,
            timeout_s=self.timeout_s,
            grace_s=self.grace_s,
        )

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by the exit code; what could not be started is no fault of the program's."""
        if isinstance(outcome, Failure):
            whose = Whose.OURS if outcome.error in _OURS else Whose.THEIRS
            return Failed(outcome.error, whose)
        if outcome.status == 0:
            return Delivered()
        if outcome.status == LATER:
            return Failed(ErrorClass.REJECTED, retry_after_ms=self.later_ms, throttled=True)
        return Failed(ErrorClass.REJECTED)


def event_variables(event: Event, delivery: Delivery, content: bytes | None) -> dict[str, str]:
    """Return what a program is told of an event; what there is none of is empty."""
    received = datetime.fromtimestamp(event.received_ms / 1000, UTC)
    told = {
        "EVENT_ID": event.id,
        "EVENT_TYPE": event.event_type,
        "ENDPOINT": event.endpoint,
        "ENDPOINT_ID": event.endpoint_id,
        "DESTINATION": delivery.destination,
        "ATTEMPT": str(delivery.attempts + 1),
        "RECEIVED_AT": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "CONTENT_TYPE": event.content_type if content is None else "application/json",
        "SOURCE_IP": event.source_ip,
    }
    return {PREFIX + name: utf8(text or "").replace("\0", "") for name, text in told.items()}

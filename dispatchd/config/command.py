"""The destination of type `command`: a program that is run for each event."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from dispatchd.compose import Courier
from dispatchd.compose.command import PREFIX, CommandCourier, is_template
from dispatchd.config.fields import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    PRESENT,
    DurationMs,
    DurationS,
    Whole,
)
from dispatchd.config.sent import SentConfig

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET: Final = re.compile(r"token|secret|passw|pwd|key|credential|auth", re.IGNORECASE)
TIMEOUT_MAX_S: Final = 24 * 3600
GRACE_MAX_S: Final = 300
LATER_MAX_MS: Final = 24 * 3600 * 1000
ARGUMENTS_MAX: Final = 256
NO_SHELL: Final = "is no list; there is no shell to part it, so write [/usr/bin/env, --flag, value]"


def _arguments(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(NO_SHELL)  # noqa: TRY004 - pydantic's contract
    return value


def _no_nul(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("holds a NUL, which no program can be given")
    return value


def _is_name(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("is no variable's name; use letters, digits and '_'")
    if value.startswith(PREFIX):
        raise ValueError(f"is ours: {PREFIX}... says what the event is; use another name")
    return value


# Secrets, so that no error quotes one: whether a token is among them cannot be known.
Argument = Annotated[SecretStr, AfterValidator(_no_nul)]
Variable = Annotated[str, AfterValidator(_is_name)]
Arguments = Annotated[tuple[Argument, ...], BeforeValidator(_arguments), EMPTY_LIST]


class CommandConfig(SentConfig):
    """A program on this machine."""

    type: Literal["command"] = Field(description="What kind of destination it is.")
    run: Arguments = Field(
        description="The program and its arguments, as they are: no shell, no template."
    )
    args: Arguments = Field(
        (), description="Arguments behind those, which may be templates: values of the event."
    )
    env: Annotated[dict[Variable, Argument], EMPTY_MAPPING] = Field(
        default_factory=dict, description="Variables of its environment; they may be templates."
    )
    pass_env: Annotated[tuple[Variable, ...], EMPTY_LIST] = Field(
        (), description="Names of the daemon's own variables that it gets too."
    )
    cwd: Annotated[str | None, PRESENT] = Field(
        None, description="The directory it runs in; by default the daemon's."
    )
    timeout_s: DurationS = Field(
        300.0,
        alias="timeout",
        json_schema_extra={"default": "5m"},
        description="How long it may run, up to 24h; then it and all that it started is ended.",
    )
    grace_s: DurationS = Field(
        10.0,
        alias="grace",
        json_schema_extra={"default": "10s"},
        description="How long it has from SIGTERM to SIGKILL.",
    )
    later_ms: DurationMs = Field(
        60_000,
        alias="later",
        json_schema_extra={"default": "1m"},
        description="How long it is left alone after it exits with 75.",
    )
    max_in_flight: Whole = Field(1, ge=1, le=64, description="How many run at once.")

    @field_validator("run")
    @classmethod
    def _names_a_program(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        program = value[0].get_secret_value() if value else ""
        if not program:
            raise ValueError("must name a program")
        if "/" in program and not program.startswith("/"):
            raise ValueError("must begin with the program's absolute path, or a name without '/'")
        return value

    @field_validator("run", "args")
    @classmethod
    def _few(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(value) > ARGUMENTS_MAX:
            raise ValueError(f"must have at most {ARGUMENTS_MAX} items")
        return value

    @field_validator("cwd")
    @classmethod
    def _is_absolute(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith("/") or "\0" in value):
            raise ValueError("must be an absolute path")
        return value

    @field_validator("timeout_s")
    @classmethod
    def _some_time(cls, value: float) -> float:
        if not 0.001 <= value <= TIMEOUT_MAX_S:  # noqa: PLR2004
            raise ValueError("must be between 1ms and 24h")
        return value

    @field_validator("grace_s")
    @classmethod
    def _some_grace(cls, value: float) -> float:
        if value > GRACE_MAX_S:
            raise ValueError("must be at most 5m")
        return value

    @field_validator("later_ms")
    @classmethod
    def _not_never(cls, value: int) -> int:
        if value > LATER_MAX_MS:
            raise ValueError("must be at most 24h")
        return value

    @property
    def safe_url(self) -> str:
        """What may be shown of it: the program, without its arguments."""
        return self.run[0].get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the variables whose names say that they are secret."""
        for name, value in self.env.items():
            if _SECRET.search(name) and not is_template(value.get_secret_value()):
                yield value.get_secret_value()

    def own_courier(self) -> Courier:
        """Return what carries events to it."""
        return CommandCourier(
            run=tuple(text.get_secret_value() for text in self.run),
            args=tuple(text.get_secret_value() for text in self.args),
            env={name: text.get_secret_value() for name, text in self.env.items()},
            pass_env=self.pass_env,
            cwd=self.cwd,
            timeout_s=self.timeout_s,
            grace_s=self.grace_s,
            later_ms=self.later_ms,
        )

    def words_as_written(self) -> tuple[str, ...]:
        """Return the program and the arguments that no sender can change."""
        return tuple(word.get_secret_value() for word in self.run)

    def unready(self) -> str | None:
        """Say why it could not be run now, for whoever looks; deliveries wait until it can."""
        if self.cwd is not None and not Path(self.cwd).is_dir():
            return f"{self.cwd} is no directory"
        program = self.safe_url
        path = self.env.get("PATH")
        if which(program, path=None if path is None else path.get_secret_value()) is not None:
            return None
        if os.path.exists(program):  # noqa: PTH110 - as `which` looks
            return f"{program} is no file that this user can execute"
        return f"there is no program {program}"

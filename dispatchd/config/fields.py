"""What a field of the config may hold, as types: parsed here, described for the JSON Schema."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr

from dispatchd.config.values import (
    SIZE_PATTERN,
    check_header_name,
    check_header_token,
    check_header_value,
    check_name,
    check_slug,
    read_listen,
    size_bytes,
)
from dispatchd.durations import DURATION_PATTERN, duration_ms
from dispatchd.model import Listen


def _listen(value: Any) -> Listen:
    return value if isinstance(value, Listen) else read_listen(value)


def _seconds(value: Any) -> float:
    return duration_ms(value) / 1000


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value)
    except (ValueError, TypeError):
        raise ValueError(
            "is not an address or network; write 10.0.0.1, 10.0.0.0/8 or fd00::/8"
        ) from None


def listed(value: Any) -> Any:
    """Read one where there may be several."""
    return [value] if isinstance(value, str) else value


def _or_empty_list(value: Any) -> Any:
    """Read a section whose lines are all commented out as an empty one."""
    return () if value is None else value


def _or_empty_mapping(value: Any) -> Any:
    """Read a section whose lines are all commented out as an empty one."""
    return {} if value is None else value


def _present(value: Any) -> Any:
    """Refuse `key:` with nothing behind it: it is more often forgotten than meant."""
    if value is None:
        raise ValueError("has no value; give it one, or remove the key")
    return value


def _no_switch(value: Any) -> Any:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic's contract
    return value


def _no_number(value: Any) -> Any:
    """Refuse 1 and 0, which pydantic takes for true and false."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - pydantic's contract
    return value


EMPTY_LIST: Final = BeforeValidator(_or_empty_list)
EMPTY_MAPPING: Final = BeforeValidator(_or_empty_mapping)
PRESENT: Final = BeforeValidator(_present)
Whole = Annotated[int, BeforeValidator(_no_switch)]
Fraction = Annotated[float, BeforeValidator(_no_switch)]
Switch = Annotated[bool, BeforeValidator(_no_number)]


_duration_schema = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s"]}
DurationS = Annotated[float, BeforeValidator(_seconds), Field(json_schema_extra=_duration_schema)]
DurationMs = Annotated[int, BeforeValidator(duration_ms), Field(json_schema_extra=_duration_schema)]
SizeBytes = Annotated[
    int,
    BeforeValidator(size_bytes),
    Field(json_schema_extra={"type": "string", "pattern": SIZE_PATTERN, "examples": ["10MiB"]}),
]
ListenAt = Annotated[
    Listen,
    BeforeValidator(_listen, json_schema_input_type=str),
    PlainSerializer(str),
]
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(_network, json_schema_input_type=str)
]
EventTypes = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_or_empty_list),
    BeforeValidator(listed, json_schema_input_type=str | list[str]),
]


def _header_value(value: SecretStr) -> SecretStr:
    check_header_value(value.get_secret_value())
    return value


def _some_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty; anyone could sign with it")
    return value


def one_or_more(value: Any) -> Any:
    """Read a single value as a list of one; nothing stays nothing, to be refused."""
    return value if value is None or isinstance(value, (list, tuple)) else [value]


Name = Annotated[str, AfterValidator(check_name)]
Slug = Annotated[str, AfterValidator(check_slug)]
HeaderName = Annotated[str, AfterValidator(check_header_name)]
HeaderToken = Annotated[str, AfterValidator(check_header_token)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
Secret = Annotated[SecretStr, AfterValidator(_some_secret)]
BearerToken = Annotated[Secret, AfterValidator(_header_value)]

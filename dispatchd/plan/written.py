"""What a config says, key by key, as digests: enough to tell which key has changed. For a child.

Two configs that say the same in other words (a default written out, another order of keys) have
the same digests. No value can be read off them.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel, SecretStr

from dispatchd.config import Config
from dispatchd.plan.plan import Entry, Written

_SECTIONS = {"endpoints": "endpoint", "destinations": "destination", "api_keys": "API key"}
DIGEST_BYTES = 8


def written(config: Config) -> Written:
    """Return the digests of everything in `config` that is not as by default."""
    found: dict[Entry, Mapping[str, bytes]] = {}
    top: dict[str, bytes] = {}
    for name, value in _said(config).items():
        if name == "api_keys":
            found.update({(_SECTIONS[name], one.name): _digests(one) for one in value})
        elif name in _SECTIONS:
            found.update({(_SECTIONS[name], key): _digests(one) for key, one in value.items()})
        elif isinstance(value, BaseModel):
            found["", name] = _digests(value)
        else:
            top[name] = _digest(value)
    found["", ""] = top
    return found


def _said(part: BaseModel) -> dict[str, Any]:
    """Return what `part` says beside the defaults, by the key that says it."""
    fields = type(part).model_fields
    return {
        field.alias or name: getattr(part, name)
        for name, field in fields.items()
        if getattr(part, name) != field.get_default(call_default_factory=True)
    }


def _digests(part: BaseModel) -> Mapping[str, bytes]:
    return {key: _digest(value) for key, value in _said(part).items()}


def _digest(value: Any) -> bytes:
    said = repr(_plain(value)).encode("utf-8", "replace")
    return blake2b(said, digest_size=DIGEST_BYTES).digest()


def _plain(value: Any) -> Any:
    """Return `value` so that its `repr` shows all of it, secrets too, in one order."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return _plain(_said(value))
    if isinstance(value, Mapping):
        return sorted(((str(key), _plain(one)) for key, one in value.items()), key=lambda kv: kv[0])
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, map(_plain, value)))
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value

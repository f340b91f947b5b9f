"""A config for eyes that may see no secret: its values, and a word that tells it apart."""

import hashlib
import json
from typing import Any, Final

from pydantic import SecretStr

from dispatchd.config.model import Config
from dispatchd.redact import BLACK

# The word is told to people who may not know the secrets: to guess these from it costs too much.
_SCRYPT: Final = {"n": 2**13, "r": 8, "p": 1}
FINGERPRINT_BYTES: Final = 8
FREE_TEXT: Final = frozenset({"filter", "transform", "templates", "answer"})


def shown(config: Config) -> dict[str, Any]:
    """Return every value, defaults too, by names that hold the units; secrets are stars.

    Of a URL that may hold one, what may be shown; of free text, how it was written.
    """
    told = config.model_dump(mode="json", by_alias=False)
    for name, destination in config.destinations.items():
        if "url" in told["destinations"][name]:
            told["destinations"][name]["url"] = destination.safe_url
    for key in told["api_keys"]:
        key["hash"] = BLACK
    starred: dict[str, Any] = _starred(told, config)
    return starred


def _starred(value: Any, config: Config) -> Any:
    """Spell the stars of secrets as everywhere else, and what came from a reference as written."""
    if isinstance(value, dict):
        return {
            key: _starred(config.as_written(item) if key in FREE_TEXT else item, config)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_starred(item, config) for item in value]
    return BLACK if value == str(SecretStr("x")) else value


def fingerprint(config: Config) -> str:
    """Return 16 hex digits that are others where any value is, a secret's too."""

    def spelled(value: Any) -> Any:
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    whole = json.dumps(config.model_dump(by_alias=False), default=spelled, sort_keys=True)
    return hashlib.scrypt(
        whole.encode("utf-8", "replace"),
        salt=b"dispatchd config",
        dklen=FINGERPRINT_BYTES,
        **_SCRYPT,
    ).hex()

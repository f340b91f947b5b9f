"""What destinations that people read have in common in the config."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from dispatchd.compose.speaker import Reach, Speaker
from dispatchd.config.fields import Secret, Whole
from dispatchd.config.reached import ReachedConfig
from dispatchd.config.values import check_url
from dispatchd.redact import url_secrets

ONE_LINE_MAX_CHARS: Final = 256


def _is_url(value: SecretStr) -> SecretStr:
    check_url(value.get_secret_value())
    return value


def _is_base(value: SecretStr) -> SecretStr:
    check_url(value.get_secret_value())
    if "?" in value.get_secret_value():
        raise ValueError("must have no query: a path is put behind it")
    return value


def _is_word(value: str) -> str:
    if not value.isprintable() or not value.strip() or len(value) > ONE_LINE_MAX_CHARS:
        raise ValueError("must be one line of text, of 1 to 256 characters")
    return value


def _is_token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or any(c in text for c in " /?#"):
        raise ValueError("has a space, a slash or the like in it")
    return value


HookUrl = Annotated[SecretStr, AfterValidator(_is_url)]
BaseUrl = Annotated[SecretStr, AfterValidator(_is_base)]
Word = Annotated[str, AfterValidator(_is_word)]
Token = Annotated[Secret, AfterValidator(_is_token)]


class SpokenConfig(ReachedConfig):
    """A destination over HTTP that is told in messages; one at a time keeps them in order."""

    max_in_flight: Whole = Field(
        1, ge=1, le=1024, description="How many exchanges run at once; 1 is one after another."
    )

    def speaker(self, default_proxy: SecretStr | None) -> Speaker:
        """Return what speaks there; `default_proxy` is what all destinations use."""
        return self._speaker(Reach(self.timeout_s, self.via(default_proxy)))

    def _speaker(self, reach: Reach) -> Speaker:
        raise NotImplementedError


def secrets_of(*secrets: SecretStr | None) -> list[str]:
    """Return what is secret in tokens, and in URLs: the whole, and their parts."""
    found: list[str] = []
    for secret in secrets:
        if secret is not None:
            found.append(secret.get_secret_value())
            found += url_secrets(secret.get_secret_value())
    return found


def base(url: str, description: str) -> SecretStr:
    """Return the field of a base URL that is `url` unless another is written."""
    field: SecretStr = Field(
        SecretStr(url), json_schema_extra={"default": url}, description=description
    )
    return field

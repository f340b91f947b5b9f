"""The table of providers, and what is asked of it by name."""

from typing import Final

from dispatchd.verify.places import Place, either, header
from dispatchd.verify.provider import Provider
from dispatchd.verify.rows import code, money, talk, tools

PROVIDERS: Final[dict[str, Provider]] = {**code.ROWS, **money.ROWS, **talk.ROWS, **tools.ROWS}

ALIASES: Final = {
    "svix": "standard-webhooks",
    "twitter": "x",
    "facebook": "meta",
    "instagram": "meta",
    "whatsapp": "meta",
    "confluence": "jira",
    "clerk": "standard-webhooks",
    "resend": "standard-webhooks",
    "openai": "standard-webhooks",
    "replicate": "standard-webhooks",
}

COMMON_DELIVERY_ID: Final[Place] = either(header("webhook-id"), header("Idempotency-Key"))


def provider_names() -> tuple[str, ...]:
    """Return every name that a config may use, aliases last."""
    return (*PROVIDERS, *ALIASES)


def must_remember(name: str) -> bool:
    """Whether a provider's delivery ids are all that keeps a signature from being used again."""
    provider = provider_named(name)
    return provider is not None and provider.remembers


def covers_url(name: str) -> bool:
    """Whether a provider's signature covers the URL that it posts to."""
    provider = provider_named(name)
    return provider is not None and "url" in provider.also


def is_for_url(name: str) -> bool:
    """Whether a provider's tokens are for the URL that it posts to, unless it is told otherwise."""
    provider = provider_named(name)
    return provider is not None and provider.jwt is not None and provider.jwt.for_url


def provider_named(name: str) -> Provider | None:
    """Return the provider of a name or alias."""
    return PROVIDERS.get(ALIASES.get(name, name))

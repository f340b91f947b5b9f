"""Whether an endpoint's proof can work, judged from what of it is right.

Like the rules, it reads plain values: a mistake in one key must not hide those in others.
"""

from typing import Any, Final

from pydantic import SecretStr, ValidationError

from dispatchd.config.document import Document
from dispatchd.config.problems import Path
from dispatchd.config.sender import SenderConfig
from dispatchd.verify import must_remember
from dispatchd.verify import problems as auth_problems

_KEYS: Final = {field.alias or name: name for name, field in SenderConfig.model_fields.items()}


def check_proof(document: Document, path: Path, endpoint: dict[str, Any]) -> None:
    """Add a problem to `document` for all that keeps an endpoint from telling its sender."""
    given = {
        key: value
        for key, value in endpoint.items()
        if key in _KEYS and not _is_broken(document, (*path, key))
    }
    sender = _right_part(given)
    if "provider" in endpoint and "provider" not in sender.model_fields_set:
        return  # reported already, and everything else depends on it
    if (sender.signature or sender.jwt) and not sender.secret and "secret" in endpoint:
        # It is there, though wrong: that is reported already.
        sender = sender.model_copy(update={"secret": (SecretStr("given"),)})
    # What is missing is asked by the rules, which also see the rest of the file.
    for sentence in auth_problems(
        sender.sender_auth("https://public.invalid", ()), what_is_missing=False
    ):
        told, _, advice = sentence.partition("; ")
        document.add(path, told, advice or None)
    if must_remember(sender.provider) and sender.auth is None and not _remembers(sender):
        document.add(
            path,
            f"{sender.provider} signs a token and not the body, so each token must be remembered",
            "leave out idempotency, or give it only a window of twice the tolerance",
        )


def _is_broken(document: Document, path: Path) -> bool:
    return any(broken[: len(path)] == path for broken in document.broken)


def _right_part(given: dict[str, Any]) -> SenderConfig:
    """Return what can be read of the sender's keys; those that are wrong are left out."""
    try:
        return SenderConfig.model_validate(given)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors(include_input=False)}
    return SenderConfig.model_validate({k: v for k, v in given.items() if k not in wrong})


def _remembers(sender: SenderConfig) -> bool:
    """Whether a signature that was seen cannot be used for another body."""
    rule = sender.idempotency
    if rule is None or rule.header is not None or rule.body is not None:
        return False
    return rule.window_ms >= 2 * sender.tolerance_s * 1000  # it may be early as well as late

"""What works but is not what its writer may expect: `check` and the daemon's first lines say it."""

from typing import TYPE_CHECKING, Final

from dispatchd.config.forward_advice import forward_advice

if TYPE_CHECKING:
    from dispatchd.config.model import Config


TOKEN_MIN_CHARS: Final = 16


def advice(config: "Config") -> list[str]:
    """Return a sentence for each such thing, with the path of its key."""
    found = []
    if config.admin is not None:
        token = config.admin.token
        if token is not None and len(token.get_secret_value()) < TOKEN_MIN_CHARS:
            found.append("admin.token: it is short enough to be guessed; `openssl rand -hex 32`")
    for slug, endpoint in config.endpoints.items():
        if not endpoint.destinations:
            found.append(f"endpoints.{slug}: it has no destinations, so its events are only kept")
        found += [
            f"endpoints.{slug}.destinations: the transform of the link to {link.to} fails"
            " open: where it fails, the original body is sent; write on_transform_error:"
            " fail where it must not be, or send to say that it may"
            for link in endpoint.destinations
            if link.transform is not None and "on_transform_error" not in link.model_fields_set
        ]
    found += [
        f"destinations.{name}: one event that it always refuses may open the breaker and hold"
        " those behind it until somebody resumes it; set breaker.open_after above"
        " retry.max_attempts"
        for name, d in config.destinations.items()
        if d.ordered and d.breaker and d.breaker.open_after <= d.retry.policy().max_attempts
    ]
    linked = {link.to for e in config.endpoints.values() for link in e.destinations}
    found += [
        f"destinations.{name}: no endpoint sends anything here"
        for name in config.destinations
        if name not in linked
    ]
    return [*found, *forward_advice(config)]

"""What works but is not what its writer may expect: `check` and the daemon's first lines say it."""

from typing import TYPE_CHECKING, Final

from dispatchd.config.forward_advice import forward_advice
from dispatchd.config.never import never_advice

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
        if token is None and any(key.pull is not None for key in config.api_keys):
            found.append(
                "admin.token: there is none, so everybody on this machine may do everything, and"
                " no queue's key is asked for"
            )
    for slug, endpoint in config.endpoints.items():
        if not endpoint.destinations:
            found.append(f"endpoints.{slug}: it has no destinations, so its events are only kept")
        found += [
            f"endpoints.{slug}.destinations: the transform of the link to {link.to} fails"
            " open: where it fails, the original body is sent; write on_transform_error:"
            " fail where it must not be, or send to say that it may"
            for link in endpoint.destinations
            if link.transforms() and "on_transform_error" not in link.model_fields_set
        ]
        found += [
            f"endpoints.{slug}.destinations: rule {name} of the link to {link.to} matches"
            " everything, so that those behind it are never asked"
            for link in endpoint.destinations
            for name, rule in list(link.named_rules().items())[:-1]
            if not rule.event_types and rule.filter is None
        ]
    found += [
        f"destinations.{name}: one event that it always refuses may open the breaker and hold"
        " those behind it until somebody resumes it; set breaker.open_after above"
        " retry.max_attempts"
        for name, d in config.destinations.items()
        if d.may_stop_at_one()
    ]
    found += [
        f"destinations.{name}: {why}; until that is mended its deliveries wait"
        for name, d in config.destinations.items()
        if (why := d.unready()) is not None
    ]
    found += [
        f"destinations.{name}: run is never a template, so {{{{ stands as it is; put it in args"
        for name, d in config.destinations.items()
        if any("{{" in word for word in d.words_as_written())
    ]
    links = [link for e in config.endpoints.values() for link in e.destinations]
    linked = {link.to for link in links}
    linked |= {alert.to for alert in config.alerts}
    found += [
        f"destinations.{name}: no endpoint sends anything here"
        for name in config.destinations
        if name not in linked
    ]
    said = {
        name for e in config.endpoints.values() for link in e.destinations for name in link.said()
    }
    found += [
        f"templates.{name}: no link and no rule names it"
        for name in config.templates
        if name not in said
    ]
    return [*found, *never_advice(config), *_alert_advice(config), *forward_advice(config)]


def _alert_advice(config: "Config") -> list[str]:
    """Say whose trouble nobody would be told: an alert never travels through what it reports."""
    ways = [config.way(alert.to).destinations for alert in config.alerts]
    untold = [
        name
        for name in dict.fromkeys(alert.to for alert in config.alerts)
        if all(name in way for way in ways)
    ]
    return [
        f"alerts: nobody is told when {name}, which carries them, is in trouble itself; add an"
        " alert to another destination"
        for name in untold
    ]

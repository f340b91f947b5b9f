"""What `forward_headers` does not do, though its writer may expect it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from dispatchd.compose import PATH_PREFIX
from dispatchd.config.outgoing import is_glob
from dispatchd.config.webhook import WebhookConfig
from dispatchd.match import compile_event_types
from dispatchd.verify import is_secret_header, proof_headers

if TYPE_CHECKING:
    from dispatchd.config.model import Config

# What a glob's stars may stand for; of all names that end in -Key, one proves nobody.
_STARS: Final = ("", "x", "idempotency")
_CREDENTIALS: Final = ("authorization", "cookie")


def forward_advice(config: "Config") -> Iterator[str]:
    """Yield a sentence for each such thing, with the path of its key."""
    prefix = f"x-{config.header_prefix.lower()}-"
    for name, destination in config.destinations.items():
        if isinstance(destination, WebhookConfig) and destination.forward_headers:
            for sentence in _of_one(config, name, destination, prefix):
                yield f"destinations.{name}.forward_headers: {sentence}"


def _of_one(config: "Config", name: str, destination: WebhookConfig, prefix: str) -> Iterator[str]:
    vain = [glob for glob in destination.forward_headers if _is_vain(glob, prefix)]
    for glob in vain:
        yield f"{glob} can match nothing that goes by a glob; name the headers in full"
    left = tuple(glob for glob in destination.forwarded_by_glob if glob not in map(str.lower, vain))
    matches = compile_event_types(left)
    named = destination.forwarded_in_full
    for header in _CREDENTIALS:
        if header in named:
            yield f"{header} is the sender's own credential, and the destination could use it"
    for slug, endpoint in config.endpoints.items():
        link = next((link for link in endpoint.destinations if link.to == name), None)
        if link is None:
            continue
        for proof in proof_headers(endpoint.sender_auth(config.server.hook_url(slug), ())):
            if proof.lower() in named:
                if link.transforms():
                    yield (
                        f"{proof} will not match what the transform of endpoints.{slug} makes of"
                        " the body"
                    )
            elif left and matches(proof.lower()):
                yield (
                    f"{proof} proves the senders of endpoints.{slug} and stays behind, for only a"
                    " glob matches it; name it in full if it is wanted"
                )


def _is_vain(glob: str, prefix: str) -> bool:
    """Whether all that a glob could match goes only when named in full."""
    if not is_glob(glob):
        return False
    low = glob.lower()
    if low.startswith((PATH_PREFIX, prefix)):
        return True
    return all(is_secret_header(low.replace("*", star).replace("?", "x")) for star in _STARS)

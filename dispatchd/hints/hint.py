"""What a hint is: how one sender is set up, as a row of data."""

from typing import Final, NamedTuple

from dispatchd.frozen import frozen

OWN: Final = "a text of your own making (`openssl rand -hex 32`)"


class Key(NamedTuple):
    """A key of the endpoint's config, and where its value comes from."""

    name: str
    where: str


@frozen
class Hint:
    """How to set up one sender. Sources: the sender's own documentation.

    `setup` is where the webhook is made, and its events are chosen. `body` and `headers` are a
    small event, as `dispatchd send` is to be given them; `cannot` says why it cannot sign one.
    `own_test` is how the sender itself sends one. `handshake` tells of what is answered before,
    `proof` of a proof that is code and no row.
    """

    title: str
    setup: str
    keys: tuple[Key, ...]
    own_test: str
    body: str = ""
    headers: tuple[str, ...] = ()
    cannot: str = ""
    handshake: str = ""
    proof: str = ""
    notes: tuple[str, ...] = ()


def secret(where: str) -> tuple[Key, ...]:
    """Return the keys of a sender that needs a secret alone."""
    return (Key("secret", where),)


def counts_only(statuses: str, name: str) -> str:
    """Return the note on a sender to whom a 202 is a failure, by its own documentation."""
    return (
        f"{name} takes only {statuses} for received, and sends again otherwise: add"
        " `answer: {status: 200}` to the endpoint."
    )

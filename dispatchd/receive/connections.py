"""How many connections are open: in all, and of one client. Pure."""

from collections import Counter
from typing import Final

from dispatchd.receive.client_ip import Networks, client_key, in_networks

NOBODY: Final = ""  # whose connections count in all only


class Connections:
    """Counts connections and says which may stay.

    `exempt` are proxies, behind which many clients look like one: they count in all only, and so
    does who has no address (a unix socket's peer).
    """

    def __init__(self, most: int, most_per_client: int, exempt: Networks = ()) -> None:
        self.allow(most, most_per_client, exempt)
        self._clients: Counter[str] = Counter()
        self.open = 0

    def allow(self, most: int, most_per_client: int, exempt: Networks) -> None:
        """Let so many in from here on; who is in stays, and is counted as it was."""
        self._most = most
        self._most_per_client = most_per_client
        self._exempt = tuple(exempt)

    def enter(self, client: str | None) -> str | None:
        """Count a connection of `client`; return as whose, None where it is one too many."""
        if self.open >= self._most:
            return None
        key = self._key(client)
        if key != NOBODY:
            if self._clients[key] >= self._most_per_client:
                return None
            self._clients[key] += 1
        self.open += 1
        return key

    def leave(self, key: str) -> None:
        """Forget a connection that was counted as `key`."""
        self.open -= 1
        if key != NOBODY:
            self._clients[key] -= 1
            if not self._clients[key]:
                del self._clients[key]

    def _key(self, client: str | None) -> str:
        if not client or (self._exempt and in_networks(client, self._exempt)):
            return NOBODY
        return client_key(client)

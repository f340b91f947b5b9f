"""How many connections are open: in all, and of one client. Pure."""

from collections import Counter

from dispatchd.receive.client_ip import Networks, client_key, in_networks


class Connections:
    """Counts connections and says which may stay.

    `exempt` are proxies, behind which many clients look like one: they count in all only, and so
    does who has no address (a unix socket's peer).
    """

    def __init__(self, most: int, most_per_client: int, exempt: Networks = ()) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._exempt = tuple(exempt)
        self._clients: Counter[str] = Counter()
        self.open = 0

    def enter(self, client: str | None) -> bool:
        """Count a connection of `client`; False, and not counted, where it is one too many."""
        if self.open >= self._most:
            return False
        key = self._key(client)
        if key is not None:
            if self._clients[key] >= self._most_per_client:
                return False
            self._clients[key] += 1
        self.open += 1
        return True

    def leave(self, client: str | None) -> None:
        """Forget a connection that had entered."""
        self.open -= 1
        key = self._key(client)
        if key is not None:
            self._clients[key] -= 1
            if not self._clients[key]:
                del self._clients[key]

    def _key(self, client: str | None) -> str | None:
        """Return whom a connection counts as; None where it counts in all only."""
        exempt = not client or in_networks(client, self._exempt)
        return None if exempt else client_key(client or "")

"""Who may ask at all, and how often: decided before a body is read."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from math import ceil
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.limits import Limiter
from dispatchd.receive.answers import Refusal
from dispatchd.receive.client_ip import client_key, in_networks

# Whom we refuse waits for the answer, from this to twice as long: a flood that sends as fast as
# it is answered becomes a trickle, spread out so that its refusals never come all at once.
PAUSE_S: Final = 0.5


@frozen
class Admission:
    """An endpoint's door. The limiters hold state, and outlive a config that keeps their rate."""

    allow_ips: Sequence[IPv4Network | IPv6Network]
    per_ip: Limiter | None
    whole: Limiter | None

    def lets_in(self, source_ip: str | None) -> bool:
        """Whether this address may ask at all."""
        return not self.allow_ips or in_networks(source_ip, self.allow_ips)

    def check(self, source_ip: str | None, now_s: float) -> None:
        """Let a request in, or raise the Refusal it is answered with. `now_s` is monotonic."""
        if not self.lets_in(source_ip):
            raise Refusal(403, "ip_not_allowed", "this address may not send here", pause_s=PAUSE_S)
        wait_s = (
            self.per_ip.take(client_key(source_ip or ""), now_s) if self.per_ip is not None else 0.0
        )
        if wait_s == 0 and self.whole is not None:
            wait_s = self.whole.take("", now_s)
        if wait_s > 0:
            raise Refusal(
                429,
                "rate_limited",
                "too many requests; try again later",
                headers={"Retry-After": str(max(1, ceil(wait_s - PAUSE_S)))},
                pause_s=PAUSE_S,
            )

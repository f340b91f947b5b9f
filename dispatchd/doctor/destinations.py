"""Whether destinations can be reached: their names, their ports, their certificates.

All at once, each within a bounded time, and nothing is sent beyond the TLS handshake (a proxy is
asked for its tunnel, a mail server for STARTTLS). Whether they would take an event cannot be told
without one: `dispatchd send` has one, a test message.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from dispatchd.config import Config, LaneConfig
from dispatchd.config.mail import EmailConfig
from dispatchd.config.reached import ReachedConfig
from dispatchd.config.sent import SentConfig
from dispatchd.doctor.certificates import Certificate, first_to_end, judge
from dispatchd.doctor.finding import Finding, act, ok
from dispatchd.doctor.patient import Patient
from dispatchd.doctor.reach import Reached, Reacher
from dispatchd.model import Via
from dispatchd.send.connect import Connector
from dispatchd.send.resolver import Resolver

TIMEOUT_S: Final = 10.0  # or the destination's own, where that is less
AT_ONCE: Final = 32


def look(patient: Patient) -> Iterator[Finding]:
    """Give each destination a line."""
    yield from asyncio.run(all_of(patient))


async def all_of(patient: Patient) -> list[Finding]:
    """Look at each, many at once; return what was found, in the order of the config."""
    reacher = Reacher(Connector(Resolver()))
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, destination: LaneConfig) -> Finding:
        async with turns:
            return await _look_at(reacher, patient, name, destination)

    found = [one(name, destination) for name, destination in patient.config.destinations.items()]
    return list(await asyncio.gather(*found))


async def _look_at(
    reacher: Reacher, patient: Patient, name: str, destination: LaneConfig
) -> Finding:
    timeout_s = min(TIMEOUT_S, destination.timeout_s) if isinstance(destination, SentConfig) else 0
    shown = destination.safe_url
    if isinstance(destination, EmailConfig):
        server = destination.server()
        return _judged(name, shown, server.via, await reacher.over_smtp(server, timeout_s))
    if isinstance(destination, ReachedConfig):
        via = destination.via(patient.config.proxy)
        reached = await reacher.over_http(destination.address, via, timeout_s)
        return _judged(name, shown, via, reached)
    if destination.claimed:
        return ok("destination", _queue(patient.config, name), name=name)
    unready = destination.unready()
    if unready is not None:
        return act("destination", unready, "mend that; until then its deliveries wait", name=name)
    said = f"{shown}: " if shown else ""
    return ok("destination", f"{said}ready, as far as can be told from here", name=name)


def _queue(config: Config, name: str) -> str:
    """Say who may claim from a queue: there is nothing to reach."""
    keys = sum(key.pull == name for key in config.api_keys)
    if config.admin is not None and config.admin.token is None:
        who = "without admin.token everybody on this machine may"
    elif not keys:
        who = "the admin token alone opens it"
    else:
        who = "1 key opens it" if keys == 1 else f"{keys} keys open it"
    return f"a queue, which consumers claim from: {who}"


def _judged(name: str, shown: str, via: Via, reached: Reached) -> Finding:
    through = " through its proxy" if via.proxy is not None else ""
    if reached.error is not None:
        return act(
            "destination",
            f"{shown}{through}: {reached.error}",
            "mend it there, or its entry in the config; until then its deliveries wait",
            name=name,
        )
    found: list[Certificate | None] = [reached.certificate]
    if via.cert is not None:
        found.append(first_to_end(via.cert, f"our certificate ({via.cert})"))
    if via.ca is not None:
        found.append(first_to_end(via.ca, f"its authority ({via.ca})"))
    certificates = [one for one in found if one is not None]
    return judge(name, f"{shown}{through}: {reached.words}", certificates)

"""What the commands about lanes share: a name that exists."""

from typing import TYPE_CHECKING

from dispatchd.cli.options import check_name

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.model import LaneState
    from dispatchd.store import Store


async def known_lane(config: "Outline", store: "Store", name: str) -> "LaneState":
    """Return the state of the lane `name`, of the config or of the past. Raises BadParameter."""
    from dispatchd.model import LaneState  # noqa: PLC0415 - not for --help

    states = await store.lane_states()
    check_name("destination", name, {*config.destinations, *states}, hint="NAME")
    return states.get(name, LaneState())

"""Delivery: a lane for every destination."""

from dispatchd.deliver.lane import LaneTools
from dispatchd.deliver.lanes import Lanes
from dispatchd.deliver.room import Room
from dispatchd.deliver.spec import lane_specs

__all__ = ["LaneTools", "Lanes", "Room", "lane_specs"]

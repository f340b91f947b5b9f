"""Kills, reloads, pauses, replays, locks and moody destinations at random: all of it comes right.

`DISPATCHD_STORMS=50 DISPATCHD_STORM_STEPS=30 pytest tests/fault/test_storm.py` weathers more.
"""

import os
from pathlib import Path

import pytest
from rig_storm import Storm

STORMS = int(os.environ.get("DISPATCHD_STORMS", "1"))
STEPS = int(os.environ.get("DISPATCHD_STORM_STEPS", "8"))


@pytest.mark.parametrize("seed", range(STORMS))
async def test_what_is_acknowledged_is_delivered_once_and_in_order(
    tmp_path: Path, seed: int
) -> None:
    storm = Storm(seed, tmp_path)
    await storm.serve()
    try:
        await storm.rage(STEPS)
        await storm.calm()
    finally:
        await storm.end()
    assert storm.problems() == [], storm.did
    assert len(storm.acked) > STEPS

"""A destination that is gone costs the daemon next to nothing."""

import asyncio

import aiohttp
from patience import HANG_S
from rig_process import MakeDaemon
from rig_served import free_port


async def test_a_paced_lane_with_work_at_hand_lets_go_of_the_loop(
    make_daemon: MakeDaemon, http: aiohttp.ClientSession
) -> None:
    """It once woke itself without end: no request was answered, and only SIGKILL ended it."""
    daemon = make_daemon(f"http://127.0.0.1:{free_port()}/")
    await daemon.start()
    async with asyncio.timeout(HANG_S):
        for n in range(80):
            status, _, _ = await daemon.post(http, b"%d" % n)
            assert status == 202
        await daemon.log.wait_for("lane_paced")
        for n in range(50):
            status, _, _ = await daemon.post(http, b"%d" % n)
            assert status == 202
        async with http.get(f"http://127.0.0.1:{daemon.port}/healthz") as response:
            assert response.status == 200
        assert await daemon.terminate() == 0
    daemon.check_database()

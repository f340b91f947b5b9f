"""A daemon with an admin listener."""

import pytest
from rig import FakeClock, Sink, StartDaemon, simple_config
from rig_api import TOKEN, Api, StartApi


@pytest.fixture
async def start_api(start_daemon: StartDaemon, sink: Sink) -> StartApi:
    """Start the tour's config with an admin listener."""

    async def start(
        extra: str = "",
        admin: str = f"{{listen: '127.0.0.1:0', token: {TOKEN}}}",
        clock: FakeClock | None = None,
    ) -> Api:
        yaml = f"{simple_config(sink)}\n{extra}\nadmin: {admin}\n"
        return Api(await start_daemon(yaml, clock=clock))

    return start


@pytest.fixture
async def api(start_api: StartApi) -> Api:
    return await start_api()

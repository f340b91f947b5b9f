"""Destinations in this process, on the loopback interface."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from rig import Sink

MakeSink = Callable[[], Awaitable[Sink]]
BODY_MAX_BYTES = 64 * 1024 * 1024


@asynccontextmanager
async def making_sinks() -> AsyncIterator[MakeSink]:
    """Yield what makes one more; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make() -> Sink:
            sink = Sink()
            app = web.Application(client_max_size=BODY_MAX_BYTES)
            app.router.add_route("*", "/{tail:.*}", sink.handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            return sink

        yield make

"""The answer that does not end: a follower's blocks, written as they come."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from aiohttp import web

from dispatchd.admin.problems import Problem
from dispatchd.admin.stream.blocks import greeting
from dispatchd.admin.stream.feed import Feed
from dispatchd.admin.stream.follower import Follower
from dispatchd.admin.stream.items import Wanted
from dispatchd.errors import StoreUnavailable
from dispatchd.frozen import frozen
from dispatchd.log import Log
from dispatchd.receive.connection import hung_up
from dispatchd.store.following import Place

STALLED_S: Final = 30.0  # who takes nothing for so long is cut off, and may go on from its place
FAULT_S: Final = 1.0  # until the store is asked again that could not be
StillIn = Callable[[web.Request], bool]
Why = Literal["gone", "slow", "not_let_in", "stopping"]


@frozen
class Stream:
    """An answer for the router to serve: what is wanted, from which place on."""

    feed: Feed
    wanted: Wanted
    place: Place
    log: Log

    async def serve(self, request: web.Request, still_in: StillIn) -> web.StreamResponse:
        """Serve it until somebody ends it. Raises Problem where too many follow."""
        feed = self.feed
        if feed.closed or feed.is_full:
            raise Problem(
                503,
                "stopping" if feed.closed else "too_many_followers",
                "the daemon is stopping" if feed.closed else "too many follow already",
                headers={"Retry-After": "2" if feed.closed else "10"},
            )
        follower = Follower(feed, self.wanted, self.place)
        feed.join(follower, self.wanted)
        self.log.info("follower_joined", source_ip=request.remote, followers=feed.followers)
        why: Why = "gone"
        try:
            response = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream; charset=utf-8",
                    "X-Accel-Buffering": "no",  # nginx: pass each event on as it comes
                }
            )
            await response.prepare(request)
            await response.write(greeting(self.place.event_id))
            why = await self._write(request, response, follower, still_in)
            if why == "slow" and request.transport is not None:
                request.transport.abort()  # what waits in its buffer would keep it open
            await response.write_eof()
        except ConnectionError:
            pass  # it has gone while something was written
        finally:
            await feed.leave(follower)
            self.log.info("follower_left", reason=why, followers=feed.followers)
        return response

    async def _write(
        self,
        request: web.Request,
        response: web.StreamResponse,
        follower: Follower,
        still_in: StillIn,
    ) -> Why:
        while True:
            if self.feed.closed:
                return "stopping"
            if hung_up(request):
                return "gone"
            if not still_in(request):
                return "not_let_in"
            try:
                blocks = await follower.next()
            except StoreUnavailable:  # it is said elsewhere; who follows has missed nothing
                await self.feed.clock.wait(follower.wake, FAULT_S)
                continue
            if not blocks:
                continue
            try:
                async with asyncio.timeout(STALLED_S):
                    await response.write(blocks)
            except TimeoutError:
                return "slow"

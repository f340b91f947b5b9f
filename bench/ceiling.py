"""The ceilings: the least an aiohttp program does for the same traffic, nothing kept.

python bench/ceiling.py handler PORT
python bench/ceiling.py raw PORT
python bench/ceiling.py relay PORT SINK_URL WORKERS
"""

import asyncio
import itertools
import sys

import aiohttp
import uvloop
from aiohttp import web

QUEUE_EVENTS = 1000


async def serve(app: web.Application, port: int) -> None:
    await listen(web.AppRunner(app, access_log=None), port)


async def listen(runner: web.BaseRunner, port: int) -> None:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


async def healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def handler(port: int) -> None:
    """Read the body, answer 202 with a small JSON document."""
    numbers = itertools.count()

    async def receive(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"event_id": str(next(numbers))}, status=202)

    app = web.Application()
    app.router.add_post("/hooks/{slug}", receive)
    app.router.add_get("/healthz", healthz)
    await serve(app, port)


async def raw(port: int) -> None:
    """The same without application and router: the least aiohttp can do."""
    numbers = itertools.count()

    async def receive(request: web.BaseRequest) -> web.Response:
        if request.path == "/healthz":
            return web.Response(text="ok")
        await request.read()
        return web.json_response({"event_id": str(next(numbers))}, status=202)

    await listen(web.ServerRunner(web.Server(receive, access_log=None)), port)


async def relay(port: int, url: str, workers: int) -> None:
    """The same server, a bounded queue, and workers that POST each body to the sink."""
    numbers = itertools.count()
    queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(QUEUE_EVENTS)

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        event_id = str(next(numbers))
        await queue.put((event_id, body))
        return web.json_response({"event_id": event_id}, status=202)

    async def work(session: aiohttp.ClientSession) -> None:
        while True:
            event_id, body = await queue.get()
            headers = {"Content-Type": "application/json", "X-Dispatch-Event-ID": event_id}
            async with session.post(url, data=body, headers=headers) as reply:
                await reply.read()

    app = web.Application()
    app.router.add_post("/hooks/{slug}", receive)
    app.router.add_get("/healthz", healthz)
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work(session))
        await serve(app, port)


def main() -> None:
    kind, port, *rest = sys.argv[1:]
    if kind == "handler":
        uvloop.run(handler(int(port)))
    elif kind == "raw":
        uvloop.run(raw(int(port)))
    else:
        uvloop.run(relay(int(port), rest[0], int(rest[1])))


if __name__ == "__main__":
    main()

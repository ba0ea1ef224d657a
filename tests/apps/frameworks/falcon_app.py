"""common.py's contract in Falcon's ASGI half: resources with a method a verb."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import common
import falcon
import falcon.asgi
from falcon.asgi import Request, Response


class Lifespan:
    async def process_startup(self, scope: Any, event: Any) -> None:
        common.note("startup")
        scope["state"]["pool"] = common.POOL

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        common.note("shutdown")


class Index:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "hello"

    on_head = on_get


class Greet:
    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        times = req.get_param_as_int("times", required=True)
        resp.media = {"name": name, "times": times}


class Add:
    async def on_post(self, req: Request, resp: Response) -> None:
        data = await req.get_media()
        resp.media = {"sum": sum(data["numbers"]), "text": data["text"]}


class Form:
    async def on_post(self, req: Request, resp: Response) -> None:
        fields = await req.get_media()
        resp.media = {"name": fields["name"], "tags": fields["tag"]}


class Upload:
    async def on_post(self, req: Request, resp: Response) -> None:
        title, filename, data = "", None, b""
        async for part in await req.get_media():
            if part.name == "title":
                title = await part.text
            elif part.name == "file":
                filename, data = part.filename, await part.stream.read()
        resp.media = common.about_upload(title, filename, data)


class Digest:
    async def on_post(self, req: Request, resp: Response) -> None:
        body = common.Digest()
        async for part in req.stream:
            body.add(part)
        resp.media = body.result


class Download:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.downloadable_as = "file.bin"
        resp.set_stream(self.parts(), common.DOWNLOAD.stat().st_size)

    on_head = on_get

    async def parts(self) -> AsyncIterator[bytes]:
        with common.DOWNLOAD.open("rb") as file:
            while part := await asyncio.to_thread(file.read, 65536):
                yield part


class Stream:
    async def on_get(self, req: Request, resp: Response) -> None:
        count = req.get_param_as_int("count", required=True)
        resp.stream = common.numbers(count)


class Endless:
    async def on_get(self, req: Request, resp: Response) -> None:
        # Of all its streams, Falcon ends only those of events with their client.
        resp.sse = self.events()

    async def events(self) -> AsyncIterator[falcon.asgi.SSEvent]:
        async with contextlib.aclosing(common.ticks()) as ticks:
            async for tick in ticks:
                yield falcon.asgi.SSEvent(data=tick)


class Fails:
    async def on_get(self, req: Request, resp: Response) -> None:
        common.fail()


class Breaks:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.stream = common.broken()


class Teapot:
    async def on_get(self, req: Request, resp: Response) -> None:
        raise falcon.HTTPError(common.TEAPOT, title=common.SHORT_AND_STOUT)


class Cookies:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.set_cookie("a", "1")
        resp.set_cookie("b", "2")


class Redirect:
    async def on_get(self, req: Request, resp: Response) -> None:
        raise falcon.HTTPSeeOther(common.WHERE_TO)


class Peer:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = {"scheme": req.scheme, "client": req.remote_addr}


class State:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = req.scope["state"]["pool"]


class After:
    async def on_post(self, req: Request, resp: Response) -> None:
        resp.status = common.ACCEPTED
        resp.text = "accepted"
        resp.schedule(common.work)


app = falcon.asgi.App(middleware=[Lifespan()])
app.add_route("/", Index())
app.add_route("/greet/{name}", Greet())
app.add_route("/json", Add())
for kind in (Form, Upload, Digest, Download, Stream, Endless, Fails, Breaks, Teapot):
    app.add_route(f"/{kind.__name__.lower()}", kind())
for kind in (Cookies, Redirect, Peer, State, After):
    app.add_route(f"/{kind.__name__.lower()}", kind())

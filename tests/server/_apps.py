"""Applications that the server tests run; each does one thing, none needs a library.

What they say about themselves goes to stdout, one line an event: `app: ...`.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import time
from typing import Any

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="-")


def say(text: str) -> None:
    """A line of stdout in one write: several workers have the same pipe."""
    sys.stdout.write(f"app: {text}\n")
    sys.stdout.flush()


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"text/plain")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def http_only(scope: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")


async def hello(scope, receive, send):
    """Answers every request; knows no lifespan."""
    http_only(scope)
    await answer(send, b"hello")


async def pid(scope, receive, send):
    http_only(scope)
    await answer(send, str(os.getpid()).encode())


async def echo_scope(scope, receive, send):
    http_only(scope)
    shown = {key: scope[key] for key in ("root_path", "path", "client", "server")}
    await answer(send, repr(shown).encode())


async def server_certificate(scope, receive, send):
    http_only(scope)
    await answer(send, scope["extensions"]["tls"]["server_cert"].encode())


async def loop_debug(scope, receive, send):
    http_only(scope)
    await answer(send, str(asyncio.get_running_loop().get_debug()).encode())


async def slow(scope, receive, send):
    """Answers after `?SECONDS`; says when it begins and how it ends."""
    http_only(scope)
    say("request under way")
    try:
        await asyncio.sleep(float(scope["query_string"] or b"1"))
    except asyncio.CancelledError as exc:
        say(f"cancelled: {exc.args[0] if exc.args else ''}")
        raise
    await answer(send, b"slow")
    say("answered")


async def endless(scope, receive, send):
    """Answers without end, as fast as it is read."""
    http_only(scope)
    say("request under way")
    await send({"type": "http.response.start", "status": 200})
    while True:
        body = bytes(65536)
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def background(scope, receive, send):
    """Answers at once and works on for `?SECONDS` after the answer."""
    http_only(scope)
    await answer(send, b"answered")
    say("answered")
    await asyncio.sleep(float(scope["query_string"] or b"1"))
    say("worked")


class Lifespan:
    """Speaks the lifespan protocol; HTTP answers with what startup left in state."""

    def __init__(
        self, startup: str = "complete", shutdown: str = "complete", seconds: float = 0
    ) -> None:
        self.outcome = {"startup": startup, "shutdown": shutdown}
        self.seconds = seconds  # that each of the two takes

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            scope["state"]["seen"] = scope["state"].get("seen", 0) + 1
            await answer(send, repr(scope["state"]).encode())
            return
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        for phase in ("startup", "shutdown"):
            message = await receive()
            assert message == {"type": f"lifespan.{phase}"}
            say(phase)
            await asyncio.sleep(self.seconds)
            if phase == "startup":
                scope["state"]["made by"] = "startup"
            outcome = self.outcome[phase]
            if outcome == "raise":
                raise RuntimeError(f"{phase} broke")
            if outcome == "failed":
                why = {"message": f"no luck at {phase}"}
                await send({"type": f"lifespan.{phase}.failed", **why})
                return
            if outcome == "hang":
                await asyncio.Event().wait()
            await send({"type": f"lifespan.{phase}.complete"})


lifespan = Lifespan()
slow_startup = Lifespan(seconds=0.5)
startup_fails = Lifespan(startup="failed")
startup_hangs = Lifespan(startup="hang")
startup_raises = Lifespan(startup="raise")
shutdown_fails = Lifespan(shutdown="failed")
shutdown_raises = Lifespan(shutdown="raise")
shutdown_hangs = Lifespan(shutdown="hang")


async def lifespan_and_slow(scope, receive, send):
    await (lifespan if scope["type"] == "lifespan" else slow)(scope, receive, send)


async def changes_directory(scope, receive, send):
    http_only(scope)
    os.chdir("/")
    await answer(send, b"changed")


async def silent_lifespan(scope, receive, send):
    """Returns from the lifespan without a word, as many small applications do."""
    if scope["type"] == "http":
        await answer(send, b"hello")


async def disorderly_lifespan(scope, receive, send):
    """Says `shutdown.complete` first."""
    await send({"type": "lifespan.shutdown.complete"})


def make_app():
    """A factory."""
    return hello


def make_none(setting):
    """A factory that cannot be called."""


def sync_app(scope, receive, send):
    """Returns an awaitable: ASGI 3, though no coroutine function."""
    return hello(scope, receive, send)


not_callable = 5


def make_with_variable():
    """A factory that sets a context variable in the context of serve()."""
    variable.set("of serve()")
    return show_variable


async def show_variable(scope, receive, send):
    if scope["type"] == "lifespan":
        variable.set("of the lifespan")
        return
    before = variable.get()
    variable.set("of a request")
    await answer(send, before.encode())


async def loop_name(scope, receive, send):
    """Says which event loop runs it."""
    http_only(scope)
    await answer(send, type(asyncio.get_running_loop()).__module__.encode())


async def blocks(scope, receive, send):
    """Blocks the whole loop for `?SECONDS`."""
    http_only(scope)
    time.sleep(float(scope["query_string"] or b"1"))
    await answer(send, b"blocked")


async def short_sleep(scope, receive, send):
    """Answers after 5 ms."""
    http_only(scope)
    await asyncio.sleep(0.005)
    await answer(send, b"slept")


async def streams(scope, receive, send):
    """Answers in two parts, 5 ms apart."""
    http_only(scope)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"one ", "more_body": True})
    await asyncio.sleep(0.005)
    await send({"type": "http.response.body", "body": b"two"})


async def ends_itself(scope, receive, send):
    """Starts, and ends its process with 9 a moment later."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await asyncio.sleep(0.3)
    os._exit(9)


async def exits(scope, receive, send):
    """Ends its process with the code `?CODE`; without one it answers."""
    http_only(scope)
    if scope["query_string"]:
        os._exit(int(scope["query_string"]))
    await answer(send, b"hello")


async def descriptors(scope, receive, send):
    """Takes descriptors up to each number that the body has a line of; 0: frees them.

    Each time it sends how many the process may have.
    """
    import resource  # not on Windows, where the others are used too

    http_only(scope)
    await send({"type": "http.response.start", "status": 200})
    held, more = [], True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        for wanted in map(int, message.get("body", b"").split()):
            while wanted and (not held or held[-1] < wanted):
                held.append(os.dup(1))
            if not wanted:
                close_all(held)
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            text = b"%d\n" % limit
            await send({"type": "http.response.body", "body": text, "more_body": True})
    close_all(held)
    await send({"type": "http.response.body"})


def close_all(numbers):
    while numbers:
        os.close(numbers.pop())

"""A connection and its exchanges: however its input is cut, whatever waits, and in
whichever order things go on, the peer gets the answers that a model says.

The model is made of the requests that the parser reads in the whole stream, one after
the other. When the input interrupts (an end, a reset, a shutdown, time), what went out
must still be a beginning of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from _fakes import body, get, post, start
from _input import Input
from _messages import ACCEPTED, BODY, COMPLETE, FAILED, Message, chunked, head, snapshot
from _world import World

from fastserve.protocols import refusals
from fastserve.protocols.http1 import RequestParser

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TYPE = b"content-type: text/plain; charset=utf-8\r\n"
PHRASES = {400: b"Bad Request", 414: b"URI Too Long"}
PHRASES[431] = b"Request Header Fields Too Large"
LARGE = b"large " * 20_000

# -- the application: what a path begins with says what it does ------------------------


async def read_all(receive: Any) -> bytes | None:
    """The body; None if the peer left before its end."""
    data = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        data += message["body"]
        if not message["more_body"]:
            return data


async def echo(world: World, receive: Any, send: Any) -> None:
    data = await read_all(receive)
    if data is not None:
        await send(start(200, (b"content-length", b"%d" % len(data))))
        await send(body(data))


async def chunks(world: World, receive: Any, send: Any) -> None:
    if await read_all(receive) is not None:
        await send(start())
        await send(body(b"one", True))
        await world.gate()
        await send(body(b"two"))


async def at_once(world: World, receive: Any, send: Any) -> None:
    await send(start(200, (b"content-length", b"2")))
    await send(body(b"ok"))


async def late(world: World, receive: Any, send: Any) -> None:
    await world.gate()
    await at_once(world, receive, send)


async def raises(world: World, receive: Any, send: Any) -> None:
    raise ValueError("of the application")


async def breaks(world: World, receive: Any, send: Any) -> None:
    await send(start(200, (b"content-length", b"9")))
    await send(body(b"part", True))
    await world.gate()
    raise ValueError("of the application")


async def large(world: World, receive: Any, send: Any) -> None:
    await send(start(200, (b"content-length", b"%d" % len(LARGE))))
    await send(body(LARGE[:60_000], True))
    await send(body(LARGE[60_000:]))


async def waits(world: World, receive: Any, send: Any) -> None:
    """Answers, then stays until the peer has what it wants."""
    await at_once(world, receive, send)
    await receive()
    await world.gate()


APPS: dict[str, Callable[[World, Any, Any], Awaitable[None]]] = {
    "/c": chunks,
    "/n": at_once,
    "/g": late,
    "/x": raises,
    "/p": breaks,
    "/b": large,
    "/w": waits,
}
READS = (echo, chunks)


async def app(world: World, scope: Any, receive: Any, send: Any) -> None:
    assert isinstance(scope["path"], str) and isinstance(scope["raw_path"], bytes)
    await APPS.get(scope["path"][:2], echo)(world, receive, send)


# -- the model -------------------------------------------------------------------------


class Expected(NamedTuple):
    """An answer that may be; closes: no other comes behind it."""

    answer: bytes
    closes: bool


def answers(message: Message, may_close: bool) -> Iterator[Expected]:
    """What the application's answer to this request may be on the wire."""
    run = APPS.get((message.path or "")[:2], echo)
    front = CONTINUE if message.expect_continue and run in READS else b""
    # Whether the peer sends a body that it was not asked for is not known at times.
    unsure = may_close or (message.expect_continue and run not in READS)
    for keep in {message.keep_alive, message.keep_alive and not unsure}:
        for answer, closes in answer_of(run, message, keep):
            yield Expected(front + answer, closes)


def answer_of(run: Any, message: Message, keep: bool) -> Iterator[Expected]:
    close = b"" if keep else b"connection: close\r\n"
    bare = message.method == "HEAD"
    if run is raises:
        text = b"" if bare else b"Internal Server Error"
        yield Expected(
            b"HTTP/1.1 500 Internal Server Error\r\n%scontent-length: 21\r\n"
            b"connection: close\r\n\r\n%s" % (TYPE, text),
            True,
        )
    elif run is chunks:
        if bare:
            yield Expected(b"HTTP/1.1 200 OK\r\n%s\r\n" % close, not keep)
        elif message.http10:
            end = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo"
            yield Expected(end, True)
        else:
            coding = b"transfer-encoding: chunked\r\n\r\n"
            text = b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
            yield Expected(b"HTTP/1.1 200 OK\r\n" + close + coding + text, not keep)
    else:
        data = {echo: message.body, breaks: b"part", large: LARGE}.get(run, b"ok")
        size = 9 if run is breaks else len(data)
        line = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n" % (size, close)
        yield Expected(line + (b"" if bare else data), not keep or run is breaks)


def refusal(status: int) -> bytes:
    _, text = refusals.refusal(status)
    return b"HTTP/1.1 %d %s\r\n%scontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
        status,
        PHRASES[status],
        TYPE,
        len(text),
        text,
    )


class Model:
    """The requests of a stream, and what is behind the last whole one."""

    def __init__(self, stream: bytes) -> None:
        self.messages: list[Message] = []
        self.partial: Message | None = None
        parser = RequestParser()
        data = b""
        for at in range(len(stream)):
            while parser.phase not in (COMPLETE, FAILED):
                if parser.feed(stream[at : at + 1]) == 1:
                    break
            data += parser.take_body() or b""
            if parser.phase == BODY and self.partial is None:
                self.partial = snapshot(parser, b"")
            if parser.phase == COMPLETE:
                self.messages.append(snapshot(parser, data))
                self.partial = None
                data = b""
                parser.next()
        self.status = parser.status

    def allows(self, written: bytes, interrupted: bool, number: int = 0) -> bool | None:
        """Whether this may have gone out; None: and the connection is to be closed."""
        if number == len(self.messages):
            return self._allows_tail(written, interrupted)
        if interrupted and written == b"":
            return True
        for answer, closes in answers(self.messages[number], interrupted):
            if interrupted and answer.startswith(written):
                return True
            if not written.startswith(answer):
                continue
            rest = written[len(answer) :]
            if closes:
                if rest == b"":
                    return None
            elif (found := self.allows(rest, interrupted, number + 1)) is not False:
                return found
        return False

    def _allows_tail(self, written: bytes, interrupted: bool) -> bool | None:
        refused = refusal(self.status) if self.status else b""
        ends = None if self.status else True
        if self.partial is None:
            if written == refused or (interrupted and refused.startswith(written)):
                return ends
            return False
        if self.partial.expect_continue:
            written = written.removeprefix(CONTINUE)
        if written in (b"", refused):
            return True if written == b"" and not self.status else ends
        # The application may have answered before the body was bad, or was whole.
        for answer, _ in answers(self.partial, True):
            if answer.startswith(written):
                return True
        return bool(interrupted and refused.startswith(written))


# -- the target ------------------------------------------------------------------------


def seeds() -> Iterator[bytes]:
    paths = [b"/", b"/c", b"/n", b"/g", b"/x", b"/p", b"/b", b"/w"]
    streams = [get(path) + post(b"hello") + get(b"/n") for path in paths]
    streams += [get(path) * 3 for path in paths]
    streams += [get(path, version=b"1.0") + get(b"/n") for path in paths]
    streams += [
        head(b"Content-Length: 9", line=b"POST %s HTTP/1.1" % path) + b"some body"
        for path in paths
    ]
    line = b"PUT /n HTTP/1.1"
    expect = head(b"Expect: 100-continue", b"Content-Length: 2", line=line)
    streams += [expect + b"ab" + get(), expect.replace(b"/n", b"/") + b"ab" + get()]
    streams += [chunked(b"5\r\nhello\r\nX\r\n"), *ACCEPTED.values()]
    schedules = [b"", b"\x04\x2d\x06", b"\x08\x04\x11\x04\x05\x0b\x04\x04\x05\x06"]
    interrupts = [bytes([op << 3 | 7]) for op in range(6)]
    for number, stream in enumerate(streams):
        ops = schedules[number % 3]
        yield bytes([number % 8, len(ops)]) + ops + stream
        ops += b"\x10\x04" + interrupts[number % 6] + b"\x04"
        yield bytes([number % 8, len(ops)]) + ops + stream


def check(data: bytes) -> None:
    given = Input(data)
    flags = given.byte()
    ops = given.take(given.byte() % 64)
    stream = given.rest()
    world = World(app, 500 if flags & 1 else None, ws="none")
    model = Model(stream)
    world.play(ops, stream)
    allowed = model.allows(world.transport.written, world.interrupted)
    assert allowed is not False, (world.transport.written, model.messages)
    if not world.interrupted:
        ended = world.transport.is_closing() or "write_eof" in world.transport.calls
        assert ended or allowed is not None, "it should have been closed"
        assert not ended or allowed is None or model.partial, "it was closed"
    world.end()

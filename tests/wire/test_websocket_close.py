"""How a WebSocket ends: the codes that either side is told, what an application may
still send, and how long the server waits (RFC 6455 7)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from harness.apps import Gate, Recorder
from harness.client import REQUEST
from harness.fixtures import Site
from harness.frames import BINARY, CLOSE, CONTINUATION, FIN, RSV2, TEXT, close, frame
from harness.server import eventually
from harness.websocket import (
    ACCEPT,
    CLOSE_IT,
    CONNECT,
    Peer,
    echo,
    gone,
    handshake,
    listen,
    received,
    say,
)

from fastserve.protocols.utils import ClientDisconnected


def wait_end(recorder: Recorder, count: int = 1) -> list[dict[str, Any]]:
    """What the application received, once it has ended."""
    eventually(lambda: recorder.ended == count)
    return recorder.received


# -- the peer ends it ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "answer", "message"),
    [
        (close(None), (None, ""), gone(1005, "")),
        (close(1000), (1000, ""), gone(1000, "")),
        (close(1001, b"bye"), (1001, "bye"), gone(1001, "bye")),
        (close(4321, "grüß".encode()), (4321, "grüß"), gone(4321, "grüß")),
    ],
)
def test_the_peers_close_is_answered_and_told(
    site: Site, sent: bytes, answer: tuple, message: dict
) -> None:
    site.app = recorder = Recorder(listen)
    peer = Peer(site.connect())
    peer.client.send(sent)
    assert peer.closed() == answer
    peer.ended()
    assert wait_end(recorder) == [CONNECT, message]


@pytest.mark.parametrize("how", ["close", "reset", "finish"])
@pytest.mark.parametrize("inside", [b"", frame(TEXT, b"hello")[:-2], b"\x81"])
def test_a_lost_peer_is_1006_without_a_reason(
    site: Site, how: str, inside: bytes
) -> None:
    site.app = recorder = Recorder(listen)
    peer = Peer(site.connect())
    peer.client.send(inside)
    getattr(peer.client, how)()
    assert wait_end(recorder) == [CONNECT, gone(1006)]


@pytest.mark.parametrize("how", ["close", "reset", "finish"])
def test_a_peer_lost_before_the_app_answers(site: Site, how: str) -> None:
    raised: list[BaseException] = []

    async def app(scope, receive, send):
        assert await receive() == CONNECT
        assert await receive() == gone(1006)
        for message in (ACCEPT, CLOSE_IT):
            try:
                await send(message)
            except OSError as error:
                raised.append(error)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(handshake())
    eventually(lambda: recorder.received)
    getattr(client, how)()
    wait_end(recorder)
    assert [type(error) for error in raised] == [ClientDisconnected] * 2
    assert site.warnings == []


def test_disconnect_is_given_again_and_again(site: Site) -> None:
    async def app(scope, receive, send):
        await send(ACCEPT)
        for _ in range(4):
            await receive()

    site.app = recorder = Recorder(app)
    Peer(site.connect()).leave()
    assert wait_end(recorder)[1:] == [gone(1000, "")] * 3


def test_messages_before_the_close_are_delivered(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await send(ACCEPT)
        await gate.wait()
        for _ in range(5):
            await receive()

    site.app = recorder = Recorder(app)
    peer = Peer(site.connect())
    peer.client.send(frame(TEXT, b"a") + frame(BINARY, b"b") + close(3000))
    assert peer.closed() == (3000, "")
    gate.open()
    last = gone(3000, "")
    assert wait_end(recorder) == [CONNECT, received("a"), received(b"b"), last, last]


def test_nothing_behind_a_close_is_read(site: Site) -> None:
    site.app = recorder = Recorder(listen)
    peer = Peer(site.connect())
    peer.client.send(frame(TEXT, b"a") + close(1000) + frame(TEXT, b"b") + b"\xff" * 99)
    assert peer.closed() == (1000, "")
    assert wait_end(recorder) == [CONNECT, received("a"), gone(1000, "")]


@pytest.mark.parametrize("how", ["leave", "close", "reset"])
def test_send_after_the_peer_left_is_an_oserror(site: Site, how: str) -> None:
    gate = Gate()
    raised: list[BaseException] = []

    async def app(scope, receive, send):
        await send(ACCEPT)
        await gate.wait()
        assert await receive() == CONNECT
        assert (await receive())["type"] == "websocket.disconnect"
        for message in (say("x"), say(b"x")):
            try:
                await send(message)
            except OSError as error:
                raised.append(error)
        await send(say("and this one ends the application, silently"))

    site.app = recorder = Recorder(app)
    peer = Peer(site.connect())
    getattr(peer if how == "leave" else peer.client, how)()
    gate.open()
    wait_end(recorder)
    assert [type(error) for error in raised] == [ClientDisconnected] * 2
    assert site.warnings == []


def test_a_send_that_waits_is_told_that_the_peer_closes(site: Site) -> None:
    raised: list[BaseException] = []

    async def app(scope, receive, send):
        await send(ACCEPT)
        try:
            while True:
                await send(say(b"x" * 1_000_000))
        except OSError as error:
            raised.append(error)

    site.app = recorder = Recorder(app)
    peer = Peer(site.connect())
    time.sleep(0.1)  # it fills the sockets, and waits
    peer.close(1000)
    wait_end(recorder)
    assert [type(error) for error in raised] == [ClientDisconnected]
    peer.client.reset()


# -- violations ----------------------------------------------------------------------

VIOLATIONS = {
    "no mask": (b"\x81\x00", 1002),
    "a reserved bit": (frame(TEXT, flags=FIN | RSV2), 1002),
    "an unknown opcode": (frame(0x3), 1002),
    "nothing to continue": (frame(CONTINUATION), 1002),
    "a long control frame": (frame(0x9, b"x" * 126), 1002),
    "a bad close code": (close(1005), 1002),
    "bad text": (frame(TEXT, b"\xff"), 1007),
    "bad text inside": (frame(TEXT, b"\xce\xba\xff", flags=0), 1007),
    "a bad reason": (close(1000, b"\xff"), 1007),
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_a_violation_ends_it_with_its_code(site: Site, case: str) -> None:
    data, code = VIOLATIONS[case]
    site.app = recorder = Recorder(listen)
    peer = Peer(site.connect())
    peer.client.send(data)
    told, reason = peer.closed()
    assert told == code
    assert reason
    peer.ended()
    assert wait_end(recorder) == [CONNECT, gone(code, reason)]
    assert site.warnings == []


def test_good_messages_before_a_violation_are_answered_first(site: Site) -> None:
    site.app = recorder = Recorder(echo)
    peer = Peer(site.connect())
    peer.client.send(frame(TEXT, b"a") + frame(TEXT, b"b") + b"\x81\x00" + b"\xff" * 9)
    assert (peer.message(), peer.message()) == ("a", "b")
    assert peer.closed()[0] == 1002
    peer.ended()
    assert [m["type"] for m in wait_end(recorder)[-2:]] == [
        "websocket.receive",
        "websocket.disconnect",
    ]


def test_an_app_that_ends_before_it_saw_the_violation(site: Site) -> None:
    async def app(scope, receive, send):
        await send(ACCEPT)
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    peer.client.send(frame(TEXT, b"a") + b"\x81\x00")
    assert peer.closed()[0] in (1000, 1002)
    peer.ended()


def test_a_flood_behind_a_violation_does_not_lose_the_close_frame(site: Site) -> None:
    """FIN first, then the rest is dropped: a RST would overtake the frame."""
    site.app = listen
    peer = Peer(site.connect())
    peer.client.send(b"\x81\x00" + b"x" * 300_000)
    assert peer.closed()[0] == 1002
    peer.ended()


# -- the application ends it -----------------------------------------------------------


def accepts_and(action: Callable[..., Any]) -> Recorder:
    """An application that accepts and then does that."""

    async def app(scope, receive, send):
        assert await receive() == CONNECT
        await send(ACCEPT)
        return await action(receive, send)

    return Recorder(app)


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (CLOSE_IT, 1000, ""),
        ({**CLOSE_IT, "code": 1001}, 1001, ""),
        ({**CLOSE_IT, "code": 4000, "reason": "grüß"}, 4000, "grüß"),
        ({**CLOSE_IT, "code": None, "reason": None}, 1000, ""),
    ],
)
def test_the_apps_close(site: Site, message: dict, code: int, reason: str) -> None:
    async def action(receive, send):
        await send(message)
        assert await receive() == gone(code, reason)
        assert await receive() == gone(code, reason)

    site.app = recorder = accepts_and(action)
    peer = Peer(site.connect())
    peer.answers_close(code, reason)
    wait_end(recorder)
    assert recorder.raised == []


@pytest.mark.parametrize(
    "message",
    [
        {**CLOSE_IT, "code": 1005},
        {**CLOSE_IT, "code": 1006},
        {**CLOSE_IT, "code": 999},
        {**CLOSE_IT, "code": 5000},
        {**CLOSE_IT, "code": 1000, "reason": "x" * 124},
    ],
)
def test_a_close_that_no_peer_may_be_sent(site: Site, message: dict) -> None:
    async def action(receive, send):
        with pytest.raises(RuntimeError):
            await send(message)
        await send({**CLOSE_IT, "code": 3000})

    site.app = recorder = accepts_and(action)
    Peer(site.connect()).answers_close(3000)
    wait_end(recorder)
    assert recorder.raised == []


def test_messages_while_our_close_waits_are_dropped(site: Site) -> None:
    site.app = recorder = accepts_and(lambda receive, send: send(CLOSE_IT))
    peer = Peer(site.connect())
    assert peer.closed() == (1000, "")
    for _ in range(50):
        peer.binary(b"x" * 50_000)
    peer.ping(b"unanswered")
    peer.close(1000)
    peer.ended()
    assert wait_end(recorder) == [CONNECT]


def test_both_close_at_once(site: Site) -> None:
    gate = Gate()

    async def action(receive, send):
        await gate.wait()
        await send({**CLOSE_IT, "code": 4001})

    site.app = recorder = accepts_and(action)
    peer = Peer(site.connect())
    gate.wait_reached()
    gate.open()
    peer.close(4002)
    code, _ = peer.closed()
    assert code in (4001, 4002)
    peer.ended()
    wait_end(recorder)
    assert site.warnings == []


def test_an_app_that_returns_closes_with_1000(site: Site) -> None:
    async def action(receive, send):
        return None

    site.app = accepts_and(action)
    Peer(site.connect()).answers_close(1000)


def test_an_app_that_raises_closes_with_1011(site: Site) -> None:
    async def action(receive, send):
        await send(say("last words"))
        raise ValueError("a fault")

    site.app = accepts_and(action)
    peer = Peer(site.connect())
    assert peer.message() == "last words"
    peer.answers_close(1011)
    (error,) = site.errors
    assert error.startswith("Exception in ASGI application\n")
    assert "a fault" in error


def test_an_app_that_returns_something_closes_with_1000(site: Site) -> None:
    async def action(receive, send):
        return 42

    site.app = accepts_and(action)
    Peer(site.connect()).answers_close(1000)
    assert site.errors == ["ASGI callable should return None, but returned '42'."]


def test_system_exit_does_not_end_the_server(site: Site) -> None:
    async def action(receive, send):
        raise SystemExit(1)

    site.app = accepts_and(action)
    Peer(site.connect()).answers_close(1011)
    assert len(site.errors) == 1
    site.app = echo
    Peer(site.connect()).leave()


@pytest.mark.parametrize("kind", [ValueError, OSError, ConnectionResetError])
def test_a_fault_after_the_apps_own_close_is_logged(site: Site, kind: type) -> None:
    """It is the application's, whatever the peer does: a database may be gone."""

    async def action(receive, send):
        await send({**CLOSE_IT, "code": 4000})
        raise kind("a fault")

    site.app = accepts_and(action)
    Peer(site.connect()).answers_close(4000)
    (error,) = site.errors
    assert error.startswith("Exception in ASGI application\n")
    assert "a fault" in error


@pytest.mark.parametrize("how", ["leave", "reset"])
def test_a_fault_after_the_peer_has_left_is_logged(site: Site, how: str) -> None:
    async def action(receive, send):
        await receive()
        raise FileNotFoundError("a fault")

    site.app = recorder = accepts_and(action)
    peer = Peer(site.connect())
    getattr(peer if how == "leave" else peer.client, how)()
    wait_end(recorder)
    site.wait_idle()
    (error,) = site.errors
    assert "a fault" in error


def test_an_app_that_is_cancelled_once_the_peer_has_left_is_no_fault(
    site: Site,
) -> None:
    async def action(receive, send):
        await receive()
        raise asyncio.CancelledError

    site.app = recorder = accepts_and(action)
    Peer(site.connect()).leave()
    wait_end(recorder)
    site.wait_idle()
    assert site.warnings == []


# -- order -------------------------------------------------------------------------

BODY = {"type": "websocket.http.response.body", "body": b""}


@pytest.mark.parametrize("message", [ACCEPT, CONNECT, BODY, {"type": "http.x"}])
def test_what_does_not_come_after_accept(site: Site, message: dict) -> None:
    async def action(receive, send):
        with pytest.raises(RuntimeError) as caught:
            await send(message)
        assert str(caught.value) == (
            "Expected ASGI message 'websocket.send' or 'websocket.close', "
            f"but got '{message['type']}'."
        )

    site.app = recorder = accepts_and(action)
    Peer(site.connect()).answers_close(1000)
    wait_end(recorder)
    assert recorder.raised == []


@pytest.mark.parametrize("message", [say("x"), BODY, {"type": "http.response.start"}])
def test_what_does_not_come_before_accept(site: Site, message: dict) -> None:
    async def app(scope, receive, send):
        with pytest.raises(RuntimeError) as caught:
            await send(message)
        assert str(caught.value) == (
            "Expected ASGI message 'websocket.accept', 'websocket.close' or "
            f"'websocket.http.response.start' but got '{message['type']}'."
        )
        await echo(scope, receive, send)

    site.app = app
    Peer(site.connect()).leave()


@pytest.mark.parametrize("message", [say("x"), CLOSE_IT, ACCEPT])
def test_nothing_comes_after_close(site: Site, message: dict) -> None:
    async def action(receive, send):
        await send(CLOSE_IT)
        with pytest.raises(RuntimeError) as caught:
            await send(message)
        assert str(caught.value) == (
            f"Unexpected ASGI message '{message['type']}', after sending "
            "'websocket.close'."
        )

    site.app = recorder = accepts_and(action)
    Peer(site.connect()).answers_close(1000)
    wait_end(recorder)
    assert recorder.raised == []


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.send"},
        {"type": "websocket.send", "bytes": None, "text": None},
        {"type": "websocket.send", "text": b"bytes"},
        {"type": "websocket.send", "bytes": "text"},
        {"type": "websocket.send", "text": "\ud800"},
    ],
)
def test_a_send_of_nothing_that_can_be_sent(site: Site, message: dict) -> None:
    async def action(receive, send):
        with pytest.raises((RuntimeError, UnicodeEncodeError)):
            await send(message)
        await send(say("fine"))

    site.app = recorder = accepts_and(action)
    peer = Peer(site.connect())
    assert peer.message() == "fine"
    peer.answers_close(1000)
    wait_end(recorder)
    assert recorder.raised == []


# -- the server ends it --------------------------------------------------------------


def stop(site: Site) -> None:
    site.server.server.should_exit = True


def test_shutdown_is_1012(start_server: Callable[..., Site]) -> None:
    recorder = Recorder(listen)
    site = start_server(recorder)
    peer = Peer(site.connect())
    stop(site)
    peer.answers_close(1012)
    assert wait_end(recorder) == [CONNECT, gone(1012)]


def test_nothing_is_received_after_the_disconnect_of_a_shutdown(
    start_server: Callable[..., Site],
) -> None:
    """The peer may go on for a while: it has not read our close frame yet."""
    told = asyncio.Event()

    async def app(scope, receive, send):
        await send(ACCEPT)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        told.set()
        for _ in range(3):
            await asyncio.sleep(0.05)
            await receive()

    recorder = Recorder(app)
    site = start_server(recorder)
    peer = Peer(site.connect())
    peer.text("before")
    eventually(lambda: len(recorder.received) == 2)
    stop(site)
    assert peer.closed() == (1012, "")
    eventually(told.is_set)
    peer.text("after")
    peer.close(1012)
    peer.ended()
    last = gone(1012)
    assert wait_end(recorder) == [CONNECT, received("before"), *[last] * 4]


def test_shutdown_reads_on_where_the_app_does_not(
    start_server: Callable[..., Site],
) -> None:
    """Its queue is full; the peer's answer to our close is behind what waits."""
    gate = Gate()

    async def app(scope, receive, send):
        await send(ACCEPT)
        await gate.wait()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    recorder = Recorder(app)
    site = start_server(recorder, ws_max_queue=2)
    peer = Peer(site.connect())
    gate.wait_reached()
    for number in range(9):
        peer.text(str(number))
    peer.client.assert_silent(0.1)
    stop(site)
    peer.answers_close(1012)
    eventually(lambda: not site.server.server.server_state.connections)
    gate.open()
    assert wait_end(recorder)[:3] == [CONNECT, received("0"), received("1")]
    assert recorder.received[-1] == gone(1012)


def test_shutdown_waits_a_second_for_a_peer_that_is_silent(
    start_server: Callable[..., Site],
) -> None:
    site = start_server(listen)
    peer = Peer(site.connect())
    begun = time.monotonic()
    stop(site)
    assert peer.closed() == (1012, "")
    peer.ended()
    assert time.monotonic() - begun >= 1


def test_shutdown_before_the_app_accepts_is_500(
    start_server: Callable[..., Site],
) -> None:
    raised: list[BaseException] = []

    async def app(scope, receive, send):
        assert await receive() == CONNECT
        assert await receive() == gone(1006)
        try:
            await send(ACCEPT)
        except OSError as error:
            raised.append(error)

    recorder = Recorder(app)
    site = start_server(recorder)
    client = site.connect()
    client.send(handshake())
    eventually(lambda: recorder.received)
    stop(site)
    assert client.refused(500).body == b"Internal Server Error"
    wait_end(recorder)
    assert len(raised) == 1


def test_shutdown_while_our_close_waits_closes_at_once(
    start_server: Callable[..., Site],
) -> None:
    site = start_server(accepts_and(lambda receive, send: send(CLOSE_IT)))
    peer = Peer(site.connect())
    assert peer.closed() == (1000, "")
    stop(site)
    peer.ended()


def test_a_refused_handshake_leaves_the_server_as_it_was(site: Site) -> None:
    site.connect().send(handshake(sec_websocket_key="x"))
    client = site.connect()
    assert client.exchange(REQUEST).status == 200
    client.close()


def test_close_frames_are_all_that_is_left(site: Site) -> None:
    """The peer's own code and reason come back, and no other frame."""
    site.app = listen
    peer = Peer(site.connect())
    peer.close(1001, b"r" * 123)
    assert peer.frame() == (CLOSE, b"\x03\xe9" + b"r" * 123, False)
    peer.ended()

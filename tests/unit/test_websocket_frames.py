"""The frames that WebSocket makes, and what it refuses to make."""

from __future__ import annotations

import pytest
from _websocket import (
    BINARY,
    CLOSE,
    GOT_CLOSE,
    PING,
    PONG,
    TEXT,
    VIOLATION,
    close,
    frame,
    joined,
    read,
    server_frame,
)

from fastserve.protocols.websocket import WebSocket

SIZES = [0, 1, 125, 126, 127, 1000, 16384, 16385, 65535, 65536, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_messages_of_every_size(size: int) -> None:
    ws = WebSocket()
    data = bytes(at % 251 for at in range(size))
    assert joined(ws.binary_frame(data)) == server_frame(BINARY, data)
    for text in ("a" * size, "é" * (size // 2), "€" * (size // 3)):
        assert joined(ws.text_frame(text)) == server_frame(TEXT, text.encode())


def test_large_payloads_are_not_copied() -> None:
    data = bytes(100_000)
    head, payload = WebSocket().binary_frame(data)
    assert payload is data
    assert head == b"\x82\x7f" + (100_000).to_bytes(8, "big")
    assert isinstance(WebSocket().binary_frame(bytes(16384)), bytes)


@pytest.mark.parametrize("size", [3, 100_000])
def test_binary_messages_of_other_types(size: int) -> None:
    data = b"abc" * (size // 3)
    expected = server_frame(BINARY, data)
    for other in (bytearray(data), memoryview(data), memoryview(bytearray(data))):
        assert joined(WebSocket().binary_frame(other)) == expected
    doubled = memoryview(b"".join(bytes([byte, 0]) for byte in data))[::2]
    assert joined(WebSocket().binary_frame(doubled)) == expected


def test_text_of_a_type_of_the_applications() -> None:
    class Text(str):
        pass

    assert WebSocket().text_frame(Text("aé")) == server_frame(TEXT, "aé".encode())


def test_messages_that_are_none() -> None:
    ws = WebSocket()
    for value in (b"x", None, 5):
        with pytest.raises(RuntimeError, match="must be str, not"):
            ws.text_frame(value)  # type: ignore[arg-type]
    for value in ("x", None, 5, [1]):
        with pytest.raises(RuntimeError, match="must be bytes, not"):
            ws.binary_frame(value)  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        ws.text_frame("\ud800")
    assert ws.text_frame("fine") == server_frame(TEXT, b"fine")


def test_control_frames() -> None:
    ws = WebSocket()
    assert ws.ping_frame() == server_frame(PING)
    assert ws.ping_frame(b"abcd") == server_frame(PING, b"abcd")
    assert ws.pong_frame(b"x" * 125) == server_frame(PONG, b"x" * 125)
    for make in (ws.ping_frame, ws.pong_frame):
        with pytest.raises(RuntimeError, match="at most 125 bytes"):
            make(b"x" * 126)


# -- closing --------------------------------------------------------------------------


def test_close_frames() -> None:
    for code in (1000, 1001, 1003, 1008, 1011, 1012, 1014, 3000, 4999):
        ws = WebSocket()
        payload = code.to_bytes(2, "big")
        assert ws.close_frame(code) == server_frame(CLOSE, payload)
        ws = WebSocket()
        made = ws.close_frame(code, "fin é")
        assert made == server_frame(CLOSE, payload + "fin é".encode())
    assert WebSocket().close_frame() == server_frame(CLOSE, b"\x03\xe8")


@pytest.mark.parametrize(
    "code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 66536, 1 << 30]
)
def test_close_codes_that_must_not_be_sent(code: int) -> None:
    ws = WebSocket()
    with pytest.raises(RuntimeError, match=f"not {code}"):
        ws.close_frame(code)
    assert not ws.close_sent
    assert ws.close_frame(1000)


def test_close_reasons_are_short() -> None:
    assert len(WebSocket().close_frame(1000, "x" * 123)) == 127
    for reason in ("x" * 124, "é" * 62):
        ws = WebSocket()
        with pytest.raises(RuntimeError, match="at most 123 bytes"):
            ws.close_frame(1000, reason)
        assert not ws.close_sent


def test_nothing_but_control_frames_follows_a_close_frame() -> None:
    ws = WebSocket()
    ws.close_frame(1000)
    assert ws.close_sent
    for make in (lambda: ws.text_frame("x"), lambda: ws.binary_frame(b"x")):
        with pytest.raises(RuntimeError, match="cannot follow the close frame"):
            make()
    with pytest.raises(RuntimeError, match="cannot follow the close frame"):
        ws.close_frame(1000)
    assert ws.pong_frame(b"") == server_frame(PONG)


def test_input_goes_on_until_the_peer_closes_too() -> None:
    ws = WebSocket()
    ws.close_frame(1000)
    got = read([frame(TEXT, b"late") + close(1000, b"bye")], ws)
    assert [event[1] for event in got] == ["late", 1000]
    assert ws.close_answer() == b""


def test_the_answer_to_a_close_is_the_same() -> None:
    for code in (1000, 1001, 3000, 4999):
        ws = WebSocket()
        assert read([close(code, b"why")], ws) == [(GOT_CLOSE, code, "why")]
        answer = server_frame(CLOSE, code.to_bytes(2, "big") + b"why")
        assert ws.close_answer() == answer
        assert ws.close_sent
        assert ws.close_answer() == b""
    ws = WebSocket()
    read([close()], ws)
    assert ws.close_answer() == server_frame(CLOSE)


def test_the_answer_to_a_violation_says_what_was_wrong() -> None:
    ws = WebSocket(10)
    assert read([b"\xf1"], ws) == [(VIOLATION, 1002, "a reserved bit is set")]
    answer = server_frame(CLOSE, b"\x03\xea" + b"a reserved bit is set")
    assert ws.close_answer() == answer
    assert ws.close_answer() == b""
    ws = WebSocket(10)
    ws.close_frame(1001)
    read([b"\xf1"], ws)
    assert ws.close_answer() == b""


def test_every_reason_fits_into_a_close_frame() -> None:
    heads = [b"\xf1", b"\x83", b"\x80", b"\x01\x80abcd\x81", b"\x81\x05", b"\x09"]
    heads += [b"\x82\xff\x80", frame(BINARY, bytes(11)), frame(TEXT, b"\xff")]
    heads += [close(1), frame(CLOSE, b"x"), close(1000, b"\xff")]
    reasons = set()
    for data in heads:
        ws = WebSocket(10)
        read([data], ws)
        assert ws.event == VIOLATION
        reasons.add(ws.close_reason)
        assert len(ws.close_answer()) <= 127
    assert len(reasons) == len(heads)

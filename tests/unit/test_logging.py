"""logging: prefixes, colours, the access line, and no control character raw."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import Any

import pytest

from fastserve.logging import (
    ACCESS_FORMAT,
    ACCESS_MESSAGE,
    TRACE_LOG_LEVEL,
    AccessFormatter,
    ColourizedFormatter,
    DefaultFormatter,
    access_line_parts,
    escape_controls,
    is_untouched,
    write_lines,
)

FORM = "%(levelprefix)s %(message)s"
RESET = "\033[0m"


def record(
    message: object, *args: object, level: int = logging.INFO, **extra: object
) -> logging.LogRecord:
    made = logging.LogRecord("uvicorn.error", level, "file", 1, message, args, None)
    made.__dict__.update(extra)
    return made


def access_record(*args: object) -> logging.LogRecord:
    return record(ACCESS_MESSAGE, *args)


@pytest.fixture(autouse=True)
def trace_has_a_name() -> None:
    logging.addLevelName(TRACE_LOG_LEVEL, "TRACE")  # as Config does


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        (TRACE_LOG_LEVEL, "TRACE:    "),
        (logging.DEBUG, "DEBUG:    "),
        (logging.INFO, "INFO:     "),
        (logging.WARNING, "WARNING:  "),
        (logging.ERROR, "ERROR:    "),
        (logging.CRITICAL, "CRITICAL: "),
    ],
)
def test_level_prefix_is_ten_wide(level: int, prefix: str) -> None:
    formatter = DefaultFormatter(FORM, use_colors=False)
    assert formatter.format(record("text", level=level)) == f"{prefix}text"


@pytest.mark.parametrize(
    ("level", "code"),
    [
        (TRACE_LOG_LEVEL, 34),
        (logging.DEBUG, 36),
        (logging.INFO, 32),
        (logging.WARNING, 33),
        (logging.ERROR, 31),
        (logging.CRITICAL, 91),
    ],
)
def test_level_colors(level: int, code: int) -> None:
    line = DefaultFormatter(FORM, use_colors=True).format(record("text", level=level))
    name = logging.getLevelName(level)
    assert line.startswith(f"\033[{code}m{name}{RESET}:")


def test_a_level_of_ones_own_has_no_color() -> None:
    line = DefaultFormatter(FORM, use_colors=True).format(record("text", level=17))
    assert line == "Level 17: text"


def test_color_message_only_with_colors() -> None:
    made = record("pid %d", 5, color_message="pid \033[36m%d\033[0m")
    plain = DefaultFormatter(FORM, use_colors=False).format(made)
    assert plain == "INFO:     pid 5"
    colored = DefaultFormatter(FORM, use_colors=True).format(made)
    assert colored.endswith(f"pid \033[36m5{RESET}")


@pytest.mark.parametrize("tty", [True, False])
def test_colors_unless_told_are_those_of_stdout(
    tty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = io.StringIO()
    stdout.isatty = lambda: tty  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", stdout)
    assert DefaultFormatter(FORM).use_colors is tty
    assert AccessFormatter(FORM).use_colors is tty


def test_a_record_is_left_as_it_was() -> None:
    made = record("pid %d", 5, color_message="PID %d")
    before = dict(made.__dict__)
    DefaultFormatter(FORM, use_colors=True).format(made)
    after = dict(made.__dict__)
    assert after.pop("message") == "pid 5"  # set by the logging module itself
    assert after == before


def test_style_and_datefmt_are_passed_on() -> None:
    formatter = ColourizedFormatter("{levelprefix} {message}", None, "{", False)
    assert formatter.format(record("text")) == "INFO:     text"
    formatter = ColourizedFormatter("%(asctime)s", datefmt="day", use_colors=False)
    assert formatter.format(record("text")) == "day"


def test_access_line() -> None:
    formatter = AccessFormatter(ACCESS_FORMAT, use_colors=False)
    made = access_record("127.0.0.1:5000", "GET", "/a?b=c", "1.1", 200)
    assert (
        formatter.format(made)
        == 'INFO:     127.0.0.1:5000 - "GET /a?b=c HTTP/1.1" 200 OK'
    )
    assert made.args == ("127.0.0.1:5000", "GET", "/a?b=c", "1.1", 200)


def test_access_line_of_an_unknown_status() -> None:
    formatter = AccessFormatter(ACCESS_FORMAT, use_colors=False)
    line = formatter.format(access_record("", "GET", "/", "1.0", 599))
    assert line == 'INFO:      - "GET / HTTP/1.0" 599 '


@pytest.mark.parametrize(
    ("status", "code", "phrase"),
    [
        (101, 97, "Switching Protocols"),
        (204, 32, "No Content"),
        (301, 33, "Moved Permanently"),
        (404, 31, "Not Found"),
        (503, 91, "Service Unavailable"),
    ],
)
def test_access_colors(status: int, code: int, phrase: str) -> None:
    formatter = AccessFormatter(ACCESS_FORMAT, use_colors=True)
    line = formatter.format(access_record("a:1", "GET", "/", "1.1", status))
    assert f'"\033[1mGET / HTTP/1.1{RESET}"' in line
    assert line.endswith(f"\033[{code}m{status} {phrase}{RESET}")


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x1b", "\r", "\x7f", "\x9b"])
def test_no_control_character_is_raw(control: str) -> None:
    shown = f"\\x{ord(control):02x}"
    assert escape_controls(f"a{control}b") == f"a{shown}b"
    for colors in (True, False):
        made = record("%s", f"a{control}b", color_message="%s")
        line = DefaultFormatter("%(message)s", use_colors=colors).format(made)
        assert line == f"a{shown}b"
        made = access_record(f"x{control}", f"G{control}", f"/{control}", "1.1", 200)
        line = AccessFormatter("%(request_line)s%(client_addr)s", use_colors=colors)
        assert line.format(made).count(shown) == 3
        assert control == "\x1b" or control not in line.format(made)


def test_lines_and_tabs_of_a_message_stay() -> None:
    formatter = DefaultFormatter("%(message)s", use_colors=False)
    assert formatter.format(record("a\n\tb: é漢")) == "a\n\tb: é漢"


def test_a_traceback_is_escaped_too() -> None:
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        made = record("broken")
        made.exc_info = sys.exc_info()
    text = DefaultFormatter(FORM, use_colors=True).format(made)
    assert text.endswith("ValueError: \\x1b[2J")


def test_a_message_need_not_be_a_string() -> None:
    formatter = DefaultFormatter(FORM, use_colors=False)
    made = record(OSError(98, "in use"), level=logging.ERROR)
    assert formatter.format(made) == "ERROR:    [Errno 98] in use"


# -- lines without records -------------------------------------------------------------


@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize("status", [101, 200, 599])
def test_the_parts_of_a_line(colors: bool, status: int) -> None:
    formatter = AccessFormatter(ACCESS_FORMAT, use_colors=colors)
    head, method, version, tail = access_line_parts(formatter, status)
    made = access_record("a:1", "GET", "/p?q", "1.1", status)
    line = f"{head}a:1{method}GET /p?q{version}1.1{tail}"
    assert line == formatter.format(made) + "\n"


@pytest.fixture
def handler() -> logging.StreamHandler[io.StringIO]:
    made = logging.StreamHandler(io.StringIO())
    made.setFormatter(AccessFormatter(ACCESS_FORMAT, use_colors=False))
    return made


def test_lines_are_written_and_flushed(
    handler: logging.StreamHandler[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(handler.stream, "flush", lambda: calls.append("flush"))
    write_lines(handler, "one\ntwo\n")
    assert handler.stream.getvalue() == "one\ntwo\n"
    assert calls == ["flush"]


def test_a_recursion_is_not_swallowed(
    handler: logging.StreamHandler[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As StreamHandler.emit: the error handler would only go deeper."""

    def write(text: str) -> int:
        raise RecursionError

    monkeypatch.setattr(handler.stream, "write", write)
    with pytest.raises(RecursionError):
        write_lines(handler, "one\n")
    lock: Any = handler.lock
    free: list[bool] = []
    thread = threading.Thread(target=lambda: free.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    assert free == [True]


def test_what_counts_as_untouched(
    handler: logging.StreamHandler[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.Logger("of a test")
    assert is_untouched(logger, handler)
    for owner, name, value in (
        (logging.StreamHandler, "terminator", ""),
        (handler, "terminator", "\r\n"),
        (logging.Filterer, "filter", lambda self, record: True),
        (logging.Formatter, "format", staticmethod(str)),
        (handler.formatter, "get_status_code", str),
        (ColourizedFormatter, "color_level_name", lambda *_: "INFO"),
        (logging.LogRecord, "__init__", lambda *_: None),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            assert not is_untouched(logger, handler), name
        assert is_untouched(logger, handler)

"""The access log's lines with the stock handler and formatter, and without.

The server may write such lines without a record, many at a time, while nothing could
tell; so each test asks for the lines that the formatter would make, and those that
change the logging module while serving for what a record would do then.
"""

from __future__ import annotations

import asyncio
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness.apps import echo_path, replies
from harness.client import REQUEST, Client, request
from harness.fixtures import Site
from harness.server import eventually

from fastserve.logging import ACCESS_FORMAT, ACCESS_MESSAGE, AccessFormatter

ACCESS = logging.getLogger("uvicorn.access")


class Stream(io.StringIO):
    """Remembers what it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


class Sink:
    """uvicorn.access with one handler of the stock kind, as LOGGING_CONFIG has it."""

    def __init__(self) -> None:
        self.stream = Stream()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(AccessFormatter(ACCESS_FORMAT, use_colors=False))

    def install(self) -> None:
        """To be called in the test itself: before it, pytest adds its own handlers."""
        ACCESS.handlers, ACCESS.propagate = [self.handler], False

    def connect(self, site: Site) -> Client:
        self.install()
        return site.connect()

    def lines(self, count: int) -> list[str]:
        eventually(lambda: self.stream.getvalue().count("\n") >= count)
        return self.stream.getvalue().splitlines()

    def take(self, count: int) -> list[str]:
        """The next lines, without the client; later calls begin behind them."""
        lines = self.lines(count)
        assert len(lines) == count
        self.stream.seek(0)
        self.stream.truncate()
        return [line.partition(" - ")[2] for line in lines]


@pytest.fixture
def sink() -> Iterator[Sink]:
    before = ACCESS.level, ACCESS.handlers, ACCESS.propagate
    ACCESS.setLevel(logging.INFO)
    yield Sink()
    level, ACCESS.handlers, ACCESS.propagate = before
    ACCESS.setLevel(level)


def ask(client: Client, *targets: str) -> None:
    """Requests in one piece, so that they are served in one turn of the loop."""
    client.send(b"".join(request(target=target) for target in targets))
    for _ in targets:
        client.answer()


def ok(*targets: str) -> list[str]:
    return [f'"GET {target} HTTP/1.1" 200 OK' for target in targets]


# -- the same lines as by records ------------------------------------------------------


async def changes_scope(scope: Any, receive: Any, send: Any) -> None:
    """Sets what the query names, as a proxy or a router would do."""
    key, _, value = scope["query_string"].decode().partition("=")
    changes = {
        "none": {"client": None},
        "proxy": {"client": ("192.0.2.7", 0)},
        "text": {"client": ("caf\xe9 \x9b\x1b", 70000)},
        "list": {"client": []},
        "path": {"path": "/\x1b[2J caf\xe9 \u6f22 \ud800"},
        "big": {"path": "/" + "\u6f22" * 2000},
        "version": {"http_version": "2"},
        "method": {"method": "M\xcbTHOD"},
    }
    scope.update(changes.get(key, {}))
    await replies(status=int(value or 200))(scope, receive, send)


KINDS = [
    REQUEST,
    request("POST", "/a%20b?=201", body=b"x"),
    request(target="/caf%C3%A9/%ff%00%1b?=404"),
    request(target="/" + "x" * 5000 + "?" + "y" * 5000),
    request(target="/" + "x" * 3000 + "?=500"),
    request("M-SEARCH", "/~a!b*c(d)?%22'=599"),
    request("OPTIONS", "*"),
    request(target="http://h/p?q"),
    *(
        request(target=f"/?{kind}=201")
        for kind in ("none", "proxy", "text", "list", "path", "big", "version")
    ),
    request(target="/?method"),
    request(target="/?=301"),
]


@pytest.mark.parametrize("colors", [False, True])
def test_lines_are_the_same_with_and_without_a_filter(
    start_server: Callable[..., Site], sink: Sink, colors: bool
) -> None:
    """A filter needs a record; without one the server may do without."""
    sink.handler.setFormatter(AccessFormatter(ACCESS_FORMAT, use_colors=colors))
    client = sink.connect(start_server(changes_scope))
    count = len(KINDS) * 2
    seen: list[Any] = []
    lines = []
    for _ in range(2):
        for kind in KINDS:
            client.exchange(kind)
        client.send(b"".join(KINDS))
        for _ in KINDS:
            client.answer()
        lines.append(sink.lines(count))
        sink.take(count)
        sink.handler.addFilter(lambda record: seen.append(record) or True)
    assert lines[0] == lines[1]
    assert len(seen) == count
    assert all(line.replace("\x1b[", "").isprintable() for line in lines[0])


def test_a_line(start_server: Callable[..., Site], sink: Sink) -> None:
    client = sink.connect(start_server())
    client.exchange(request(target="/a%20b?q"))
    peer = "%s:%d" % client.name
    assert sink.lines(1) == [f'INFO:     {peer} - "GET /a%20b?q HTTP/1.1" 200 OK']


def test_every_status_has_its_phrase(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server(changes_scope))
    formatter = AccessFormatter(use_colors=False)
    for status in range(200, 600):
        client.send(request("HEAD", f"/?={status}"))
        client.answer("HEAD")
    for status, line in zip(range(200, 600), sink.take(400), strict=True):
        shown = formatter.get_status_code(status)
        assert line == f'"HEAD /?={status} HTTP/1.1" {shown}'


# -- many at a time --------------------------------------------------------------------


def test_a_turn_s_lines_are_written_together(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    targets = [f"/{n}" for n in range(20)]
    ask(client, *targets)
    assert sink.take(20) == ok(*targets)
    assert len(sink.stream.writes) == 1


def test_a_batch_fits_into_a_pipe_and_ends_with_a_line(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    targets = [f"/{n}" + "x" * (n * 37 % 900) for n in range(30)]
    ask(client, *targets)
    assert sink.take(30) == ok(*targets)
    assert 3 < len(sink.stream.writes) < 15
    assert all(len(text) <= 4096 and text[-1] == "\n" for text in sink.stream.writes)


def test_lines_are_whole_and_all_there(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    site = start_server(echo_path)
    sink.install()
    clients = [site.connect() for _ in range(4)]
    for client in clients:
        client.send(b"".join(request(target=f"/{n}") for n in range(250)))
    for client in clients:
        for _ in range(250):
            client.answer()
    lines = sink.lines(1000)
    assert len(lines) == 1000
    for client in clients:
        peer = "%s:%d" % client.name
        own = [line for line in lines if peer in line]
        assert [line.split()[4] for line in own] == [f"/{n}" for n in range(250)]


def test_whoever_has_an_answer_finds_its_line(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    for n in range(50):
        client.exchange(request(target=f"/{n}"))
        assert f"/{n} " in sink.stream.getvalue()


def test_lines_keep_their_order_with_those_of_records(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    """A client that is not ASCII is left to the formatter, in the midst of others."""
    client = sink.connect(start_server(changes_scope))
    targets = [f"/{n}?{'text=200' if n % 3 == 0 else ''}".rstrip("?") for n in range(9)]
    ask(client, *targets)
    assert sink.take(9) == ok(*targets)


def test_a_task_of_the_application_s_own_logs_too(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await asyncio.create_task(replies()(scope, receive, send))

    client = sink.connect(start_server(app))
    client.exchange(REQUEST)
    assert sink.take(1) == ok("/")


# -- what changes while serving --------------------------------------------------------

Spoil = Callable[[Sink, pytest.MonkeyPatch, list[Any]], object]


def filter_on_logger(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    patch.setattr(ACCESS, "filters", [lambda record: seen.append(record) or True])


def filter_on_handler(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    patch.setattr(sink.handler, "filters", [lambda r: seen.append(r) or True])


def second_handler(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    patch.setattr(ACCESS, "handlers", [sink.handler, Other()])


def propagation(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    second_handler(sink, patch, seen)
    parent = logging.getLogger("uvicorn")
    patch.setattr(parent, "handlers", ACCESS.handlers[1:])
    patch.setattr(parent, "propagate", False)
    patch.setattr(ACCESS, "handlers", [sink.handler])
    patch.setattr(ACCESS, "propagate", True)


def handler_class(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    class Own(logging.StreamHandler):  # type: ignore[type-arg]
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)
            super().emit(record)

    own = Own(sink.stream)
    own.setFormatter(sink.handler.formatter)
    patch.setattr(ACCESS, "handlers", [own])


def formatter_class(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    class Own(AccessFormatter):
        def format(self, record: logging.LogRecord) -> str:
            seen.append(record)
            return super().format(record)

    patch.setattr(sink.handler, "formatter", Own(ACCESS_FORMAT, use_colors=False))


def logger_class(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    class Own(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            seen.append(record)
            super().handle(record)

    patch.setattr(ACCESS, "__class__", Own)


def record_factory(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        seen.append(args)
        return logging.LogRecord(*args, **kwargs)

    patch.setattr(logging, "_logRecordFactory", make)  # as setLogRecordFactory does


def wrapped(owner: Any, name: str) -> Spoil:
    """As tools do it that want to see every record: the method is replaced."""

    def spoil(sink: Sink, patch: pytest.MonkeyPatch, seen: list[Any]) -> None:
        holder = owner if isinstance(owner, type) else owner(sink)
        method = getattr(holder, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                seen.append(args)
            return method(*args, **kwargs)

        patch.setattr(holder, name, wrapper)

    return spoil


SPOILERS: dict[str, Spoil] = {
    "filter on the logger": filter_on_logger,
    "filter on the handler": filter_on_handler,
    "second handler": second_handler,
    "propagation": propagation,
    "handler class": handler_class,
    "formatter class": formatter_class,
    "logger class": logger_class,
    "record factory": record_factory,
    "Logger.callHandlers": wrapped(logging.Logger, "callHandlers"),
    "Logger.makeRecord": wrapped(logging.Logger, "makeRecord"),
    "Handler.handle": wrapped(logging.Handler, "handle"),
    "StreamHandler.emit": wrapped(logging.StreamHandler, "emit"),
    "StreamHandler.format": wrapped(logging.StreamHandler, "format"),
    "LogRecord.getMessage": wrapped(logging.LogRecord, "getMessage"),
    "PercentStyle.format": wrapped(logging.PercentStyle, "format"),
    "AccessFormatter": wrapped(AccessFormatter, "formatMessage"),
    "logger.info": wrapped(lambda sink: ACCESS, "info"),
    "handler.emit": wrapped(lambda sink: sink.handler, "emit"),
    "formatter.format": wrapped(lambda sink: sink.handler.formatter, "format"),
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_who_wants_records_gets_one_for_each_request(
    start_server: Callable[..., Site],
    sink: Sink,
    spoil: Spoil,
) -> None:
    """From the next turn on, on connections that are open; and until it is undone."""
    client = sink.connect(start_server())
    seen: list[Any] = []
    ask(client, "/1", "/2", "/3")
    assert sink.take(3) == ok("/1", "/2", "/3")
    with pytest.MonkeyPatch.context() as patch:
        spoil(sink, patch, seen)
        ask(client, "/4", "/5", "/6")
        assert len(seen) == 3
    ask(client, "/7", "/8", "/9")
    assert sink.take(6) == ok(*(f"/{n}" for n in range(4, 10)))
    assert len(seen) == 3
    assert len(sink.stream.writes) == 5  # three together, one by one, three together


def silence_level(sink: Sink, patch: pytest.MonkeyPatch) -> None:
    ACCESS.setLevel(logging.WARNING)


def silence_disable(sink: Sink, patch: pytest.MonkeyPatch) -> None:
    logging.disable(logging.INFO)


def silence_logger(sink: Sink, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ACCESS, "disabled", True)


def silence_handler(sink: Sink, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sink.handler, "level", logging.WARNING)


def silence_handlers(sink: Sink, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ACCESS, "handlers", [])


def silence_filter(sink: Sink, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sink.handler, "filters", [lambda record: False])


@pytest.mark.parametrize(
    "silence",
    [
        *(silence_level, silence_disable, silence_logger),
        *(silence_handler, silence_handlers, silence_filter),
    ],
)
def test_what_silences_records_silences_lines(
    start_server: Callable[..., Site], sink: Sink, silence: Any
) -> None:
    client = sink.connect(start_server())
    ask(client, "/1")
    with pytest.MonkeyPatch.context() as patch:
        silence(sink, patch)
        ask(client, "/2", "/3")
        assert sink.take(1) == ok("/1")
    logging.disable(logging.NOTSET)
    ACCESS.setLevel(logging.INFO)
    ask(client, "/4")
    assert sink.take(1) == ok("/4")


def test_a_level_that_is_lower_changes_nothing(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    for logger_level, handler_level in ((5, 0), (logging.INFO, logging.INFO)):
        ACCESS.setLevel(logger_level)
        sink.handler.setLevel(handler_level)
        ask(client, "/1", "/2")
        assert sink.take(2) == ok("/1", "/2")
    assert len(sink.stream.writes) == 2


def test_a_handler_may_come_late(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    """uvicorn looks when a connection is made; here kept ones notice, too."""
    client = sink.connect(start_server())
    ACCESS.removeHandler(sink.handler)
    ask(client, "/1")
    ACCESS.addHandler(sink.handler)
    ask(client, "/2")
    assert sink.take(1) == ok("/2")


def test_another_format_while_serving(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    formatter: Any = sink.handler.formatter
    ask(client, "/1")
    formatter._style._fmt = "%(request_line)s"
    ask(client, "/2")
    fmt = "[{levelname}] {request_line} {status_code}"
    sink.handler.setFormatter(AccessFormatter(fmt, style="{", use_colors=False))
    ask(client, "/3")
    sink.handler.setFormatter(logging.Formatter("%(message)s"))
    ask(client, "/4")
    sink.handler.setFormatter(None)
    ask(client, "/5")
    peer = "%s:%d" % client.name
    assert sink.lines(5) == [
        f'INFO:     {peer} - "GET /1 HTTP/1.1" 200 OK',
        "GET /2 HTTP/1.1",
        "[INFO] GET /3 HTTP/1.1 200 OK",
        f'{peer} - "GET /4 HTTP/1.1" 200',
        f'{peer} - "GET /5 HTTP/1.1" 200',
    ]


def test_colors_and_names_of_levels_while_serving(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    formatter: Any = sink.handler.formatter
    ask(client, "/1")
    formatter.use_colors = True
    ask(client, "/2")
    formatter.use_colors = False
    try:
        for name in ("note", "notiz\xe9"):
            logging.addLevelName(logging.INFO, name)
            ask(client, "/3")
    finally:
        logging.addLevelName(logging.INFO, "INFO")
    ask(client, "/4")
    peer = "%s:%d" % client.name
    assert sink.lines(5) == [
        f'INFO:     {peer} - "GET /1 HTTP/1.1" 200 OK',
        f'\x1b[32mINFO\x1b[0m:     {peer} - "\x1b[1mGET /2 HTTP/1.1\x1b[0m" '
        "\x1b[32m200 OK\x1b[0m",
        f'note:     {peer} - "GET /3 HTTP/1.1" 200 OK',
        f'notiz\xe9:   {peer} - "GET /3 HTTP/1.1" 200 OK',
        f'INFO:     {peer} - "GET /4 HTTP/1.1" 200 OK',
    ]


# -- streams ---------------------------------------------------------------------------


def test_another_stream_while_serving(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    ask(client, "/1", "/2")
    other = Stream()
    assert sink.handler.setStream(other) is sink.stream
    ask(client, "/3", "/4")
    assert sink.take(2) == ok("/1", "/2")
    assert len(other.writes) == 1 and other.getvalue().count("\n") == 2


@pytest.mark.parametrize("encoding", ["ascii", "utf-16", "cp037"])
def test_streams_of_other_encodings(
    start_server: Callable[..., Site], sink: Sink, encoding: str
) -> None:
    client = sink.connect(start_server())
    raw = io.BytesIO()
    sink.handler.setStream(io.TextIOWrapper(raw, encoding))  # type: ignore[arg-type]
    ask(client, "/%C3%A9", "/2")
    ask(client, "/3")
    peer = "%s:%d" % client.name
    expected = [f"INFO:     {peer} - {line}" for line in ok("/%C3%A9", "/2", "/3")]
    assert raw.getvalue().decode(encoding).splitlines() == expected


def test_a_file_handler(
    start_server: Callable[..., Site], sink: Sink, tmp_path: Any
) -> None:
    """Its file is opened at the first record; closed, it is opened again."""
    client = sink.connect(start_server())
    path = tmp_path / "access.log"
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(sink.handler.formatter)
    ACCESS.handlers[0] = handler
    for target in ("/1", "/2", "/3"):
        ask(client, target)
        assert path.read_text().endswith(f"{ok(target)[0]}\n")
    handler.close()
    ask(client, "/4")
    handler.close()
    assert len(path.read_text().splitlines()) == 4


def test_a_handler_s_lock_is_waited_for(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())
    with sink.handler.lock:  # type: ignore[union-attr]
        client.send(REQUEST)
        time.sleep(0.2)
        assert sink.stream.writes == []
    client.answer()
    assert sink.take(1) == ok("/")


def test_a_stream_may_log_too(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    client = sink.connect(start_server())

    class Logging(Stream):
        def write(self, text: str) -> int:
            written = super().write(text)
            if len(self.writes) == 1:
                ACCESS.info(ACCESS_MESSAGE, "a:1", "GET", "/own", "1.1", 200)
            return written

    sink.stream = Logging()
    sink.handler.setStream(sink.stream)
    ask(client, "/1", "/2")
    assert sink.take(3) == ok("/1", "/2", "/own")


def test_a_failing_stream_does_not_stop_serving(
    start_server: Callable[..., Site],
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As StreamHandler.handleError: told on stderr while raiseExceptions is set."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    client = sink.connect(start_server())
    client.exchange(REQUEST)
    sink.lines(1)
    sink.stream.close()
    for _ in range(3):
        assert client.exchange(REQUEST).status == 200
    told = ""

    def is_told() -> bool:
        nonlocal told
        told += capsys.readouterr().err
        return told.count("--- Logging error ---") == 3

    eventually(is_told)
    assert "ValueError: I/O operation on closed file" in told
    assert '"GET / HTTP/1.1" 200 OK' in told


def test_a_failing_stream_is_silent_when_logging_is_told_so(
    start_server: Callable[..., Site],
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    sink.stream.close()
    client = sink.connect(start_server())
    for _ in range(3):
        assert client.exchange(REQUEST).status == 200
    assert capsys.readouterr().err == ""


def test_a_handler_s_own_way_with_errors(
    start_server: Callable[..., Site], sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that fails once, as a full disk does, loses what it was given."""
    failed: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda _, r: failed.append(r))
    client = sink.connect(start_server())
    write = sink.stream.write

    def full(text: str) -> int:
        raise OSError(28, "No space left on device")

    sink.stream.write = full  # type: ignore[method-assign]
    ask(client, "/1", "/2")
    sink.stream.write = write  # type: ignore[method-assign]
    ask(client, "/3")
    assert sink.take(1) == ok("/3")
    assert len(failed) == 1
    assert failed[0].name == "uvicorn.access"
    assert all(line in failed[0].getMessage() for line in ok("/1", "/2"))

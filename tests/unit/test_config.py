"""config: defaults, logging, what load finds, and the sockets it binds."""

from __future__ import annotations

import asyncio
import copy
import errno
import functools
import inspect
import logging
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import fastserve
from fastserve import Config
from fastserve.config import (
    LOG_LEVELS,
    LOGGING_CONFIG,
    STARTUP_FAILURE,
    encode_header,
)
from fastserve.lifespan.off import LifespanOff
from fastserve.lifespan.on import LifespanOn
from fastserve.logging import AccessFormatter, DefaultFormatter
from fastserve.middleware.message_logger import MessageLoggerMiddleware

LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """As usual."""


@pytest.fixture(autouse=True)
def loggers_put_back() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(each.level, each.handlers[:], each.propagate) for each in loggers]
    for each in loggers:
        each.setLevel(logging.NOTSET)
        each.handlers, each.propagate = [], True
    yield
    for each, (level, handlers, propagate) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.handlers, each.propagate = handlers, propagate


def loaded(app: Any = asgi_app, **settings: Any) -> Config:
    config = Config(app, **{"log_config": None, **settings})
    config.load()
    return config


def exit_code(caught: pytest.ExceptionInfo[SystemExit]) -> object:
    return caught.value.code


# -- parameters -----------------------------------------------------------------------


# What a parameter becomes where that is not what was given.
BECOMES: dict[str, object] = {
    "log_config": None,
    "headers": [],
    "workers": 1,
    "forwarded_allow_ips": "127.0.0.1,::1",
    "reload_dirs": [],
    "reload_includes": [],
    "reload_excludes": [],
}


def test_each_parameter_is_an_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    config = Config(asgi_app, log_config=None)
    for name, parameter in inspect.signature(Config).parameters.items():
        if name != "app":
            expected = BECOMES.get(name, parameter.default)
            assert getattr(config, name) == expected, name


def test_parameters_are_uvicorns_in_order() -> None:
    of_uvicorn = inspect.signature(uvicorn.Config).parameters
    ours = inspect.signature(Config).parameters
    assert list(ours) == list(of_uvicorn)
    for name, parameter in ours.items():
        assert parameter.kind == of_uvicorn[name].kind
        if name != "log_config":
            assert parameter.default == of_uvicorn[name].default, name


def test_run_has_the_same_parameters_and_defaults() -> None:
    of_config = dict(inspect.signature(Config).parameters)
    of_run = dict(inspect.signature(fastserve.run).parameters)
    assert of_run.pop("app_dir").default is None
    for name in ("timeout_notify", "callback_notify"):
        del of_config[name]
    assert {name: p.default for name, p in of_run.items()} == {
        name: p.default for name, p in of_config.items()
    }
    kinds = {p.kind for name, p in of_run.items() if name != "app"}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_setup_event_loop_is_gone() -> None:
    with pytest.raises(AttributeError, match="get_loop_factory"):
        Config(asgi_app, log_config=None).setup_event_loop()


# -- logging --------------------------------------------------------------------------


def test_config_sets_logging_up_at_once() -> None:
    Config(asgi_app)
    server, access = map(logging.getLogger, ("uvicorn", "uvicorn.access"))
    [to_stderr], [to_stdout] = server.handlers, access.handlers
    assert isinstance(to_stderr, logging.StreamHandler)
    assert isinstance(to_stdout, logging.StreamHandler)
    assert to_stderr.stream is sys.stderr
    assert to_stdout.stream is sys.stdout
    assert isinstance(to_stderr.formatter, DefaultFormatter)
    assert isinstance(to_stdout.formatter, AccessFormatter)
    assert not server.propagate
    assert not access.propagate
    assert logging.getLogger("uvicorn.error").getEffectiveLevel() == logging.INFO
    assert logging.getLevelName(5) == "TRACE"


def test_no_log_config_leaves_logging_alone() -> None:
    Config(asgi_app, log_config=None)
    for name in LOGGERS:
        assert logging.getLogger(name).handlers == []
        assert logging.getLogger(name).level == logging.NOTSET


def test_dict_config_gets_the_object_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(logging.config, "dictConfig", calls.append)
    given = {"version": 1}
    Config(asgi_app, log_config=given)
    assert len(calls) == 1
    assert calls[0] is given


@pytest.mark.parametrize("use_colors", [True, False])
def test_use_colors(use_colors: bool) -> None:
    before = copy.deepcopy(LOGGING_CONFIG)
    Config(asgi_app, use_colors=use_colors)
    for name in ("uvicorn", "uvicorn.access"):
        formatter: Any = logging.getLogger(name).handlers[0].formatter
        assert formatter.use_colors is use_colors
    assert LOGGING_CONFIG == before  # the next Config is to decide for itself


@pytest.mark.parametrize("level", [*LOG_LEVELS, 17])
def test_log_level(level: str | int) -> None:
    Config(asgi_app, log_level=level)
    expected = LOG_LEVELS[level] if isinstance(level, str) else level
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        assert logging.getLogger(name).level == expected
    assert logging.getLogger("uvicorn").level == logging.INFO


def test_access_log_off() -> None:
    Config(asgi_app, access_log=False)
    access = logging.getLogger("uvicorn.access")
    assert access.handlers == []
    assert not access.propagate
    assert not access.hasHandlers()


# -- load -----------------------------------------------------------------------------


def test_load() -> None:
    config = loaded()
    assert config.loaded
    assert config.loaded_app is asgi_app
    assert (config.interface, config.asgi_version) == ("asgi3", "3.0")
    assert config.lifespan_class is LifespanOn
    assert not config.is_ssl
    assert callable(config.http_protocol_class)
    with pytest.raises(AssertionError):
        config.load()


def test_asgi_version_is_not_known_before_load() -> None:
    with pytest.raises(KeyError):
        Config(asgi_app, log_config=None).asgi_version  # noqa: B018


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("auto", LifespanOn), ("on", LifespanOn), ("off", LifespanOff)],
)
def test_lifespan_class(mode: Any, expected: type) -> None:
    assert loaded(lifespan=mode).lifespan_class is expected


def test_app_may_be_set_after_config_is_made() -> None:
    config = Config(None, log_config=None)  # type: ignore[arg-type]
    config.app = asgi_app
    config.load()
    assert config.loaded_app is asgi_app


def test_import_string(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app_of_test_config.py").write_text("async def app(s, r, t): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = loaded("app_of_test_config:app")
    assert config.loaded_app.__name__ == "app"


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("no_such_module:app", 'Could not import module "no_such_module".'),
        ("os:nothing", 'Attribute "nothing" not found in module "os".'),
        ("os", 'Import string "os" must be in format "<module>:<attribute>".'),
    ],
)
def test_app_that_is_not_there(
    app: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(app, log_config=None)
    for method in (config.load_app, config.load):
        with pytest.raises(SystemExit) as caught:
            method()
        assert exit_code(caught) == STARTUP_FAILURE == 3
    text = f"Error loading ASGI app. {words}"
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", text),
        ("ERROR", text),
    ]


class Callable3:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Awaitable3:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...
    def __await__(self) -> Any: ...


@pytest.mark.parametrize(
    "app",
    [asgi_app, Callable3(), Callable3().__call__, functools.partial(asgi_app)],
)
def test_asgi3_is_recognised(app: Any) -> None:
    assert loaded(app).interface == "asgi3"


def test_class_with_await_is_asgi3() -> None:
    config = loaded(Awaitable3)
    assert config.interface == "asgi3"
    assert config.loaded_app is Awaitable3


def returns_awaitable(scope: Any, receive: Any, send: Any) -> Any:
    return asgi_app(scope, receive, send)


class ASGI2:
    def __init__(self, scope: Any) -> None: ...
    async def __call__(self, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize("app", [returns_awaitable, ASGI2, 5])
def test_what_is_not_asgi3_is_refused(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        loaded(app)
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert "--interface asgi3" in record.getMessage()


def test_interface_may_be_told() -> None:
    assert loaded(returns_awaitable, interface="asgi3").interface == "asgi3"


# -- factories ------------------------------------------------------------------------


def factory() -> Any:
    return asgi_app


def no_factory(setting: str) -> Any:
    """Wants an argument that nobody has."""


def test_factory(caplog: pytest.LogCaptureFixture) -> None:
    assert loaded(factory, factory=True).loaded_app is asgi_app
    assert caplog.records == []


def test_factory_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    assert loaded(factory).loaded_app is asgi_app
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "ASGI app factory detected. Using it, but please consider setting the "
        "--factory flag explicitly."
    )


def test_factory_that_is_none(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        loaded(no_factory, factory=True)
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.getMessage().startswith("Error loading ASGI app factory: no_factory")


# -- headers --------------------------------------------------------------------------


def test_server_header_is_first() -> None:
    config = loaded(headers=[("X-Name", " Value")])
    assert config.encoded_headers == [
        (b"server", b"fastserve"),
        (b"x-name", b" Value"),
    ]


def test_server_header_of_ones_own() -> None:
    config = loaded(headers=[("Server", "mine")])
    assert config.encoded_headers == [(b"server", b"mine")]


def test_server_header_off() -> None:
    assert loaded(server_header=False).encoded_headers == []


def test_header_values_are_latin_1() -> None:
    assert encode_header("X-A", "caf\xe9\ta") == (b"x-a", b"caf\xe9\ta")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X A", "v"),
        ("", "v"),
        ("X:A", "v"),
        ("X-A\r\nX-B", "v"),
        ("X-Ä", "v"),
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "a\0b"),
        ("X-A", "a\x7fb"),
        ("X-A", "漢"),
    ],
)
def test_header_that_cannot_be_sent(name: str, value: str) -> None:
    config = Config(asgi_app, log_config=None, headers=[(name, value)])
    with pytest.raises(ValueError, match="Invalid"):
        config.load()


# -- messages at TRACE ----------------------------------------------------------------


def test_message_logger_only_at_trace() -> None:
    assert loaded(log_level="debug").loaded_app is asgi_app
    config = loaded(log_level="trace")
    assert isinstance(config.loaded_app, MessageLoggerMiddleware)
    assert config.loaded_app.app is asgi_app


# -- event loops ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", None),
        ("asyncio", asyncio.SelectorEventLoop),
        ("asyncio:SelectorEventLoop", asyncio.SelectorEventLoop),
        ("asyncio:new_event_loop", asyncio.new_event_loop),  # used, not called
    ],
)
def test_loop_factory(name: str, expected: Any) -> None:
    config = Config(asgi_app, log_config=None, loop=name)
    assert config.get_loop_factory() is expected


def test_auto_is_uvloop_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Config(asgi_app, log_config=None)
    uvloop = pytest.importorskip("uvloop", reason="no uvloop for this interpreter")
    assert config.get_loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert config.get_loop_factory() is asyncio.SelectorEventLoop


def test_loop_factory_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    config = Config(asgi_app, log_config=None, loop="no_such_module:loop")
    with pytest.raises(SystemExit) as caught:
        config.get_loop_factory()
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.getMessage() == (
        "Error loading custom loop setup function. "
        'Could not import module "no_such_module".'
    )


# -- sockets --------------------------------------------------------------------------


@pytest.fixture
def announced(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "uvicorn.error")
    return lambda: [record.getMessage() for record in caplog.records]


def test_bind_socket(announced: Any) -> None:
    config = Config(asgi_app, log_config=None, port=0)
    with config.bind_socket() as sock:
        assert sock.family == socket.AF_INET
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert os.get_inheritable(sock.fileno())
        host, port = sock.getsockname()
    running = f"Fastserve running on http://127.0.0.1:{port} (Press CTRL+C to quit)"
    assert announced() == [running]


def test_bind_socket_ipv6(announced: Any) -> None:
    with Config(asgi_app, "::1", 0, log_config=None).bind_socket() as sock:
        assert sock.family == socket.AF_INET6
        port = sock.getsockname()[1]
    [line] = announced()
    assert line.startswith(f"Fastserve running on http://[::1]:{port} ")


def test_bind_socket_unix(announced: Any, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    config = Config(asgi_app, log_config=None, uds=str(path))
    with config.bind_socket() as sock:
        assert sock.family == socket.AF_UNIX
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
    quitting = "(Press CTRL+C to quit)"
    assert announced() == [f"Fastserve running on unix socket {path} {quitting}"]


def test_bind_socket_takes_over_a_file_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    path.chmod(0o600)
    with Config(asgi_app, log_config=None, uds=str(path)).bind_socket():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_bind_socket_of_a_descriptor(
    family: int, announced: Any, tmp_path: Path
) -> None:
    with socket.socket(family) as given:
        name: Any = str(tmp_path / "socket")
        if family != socket.AF_UNIX:
            name = ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0)
        given.bind(name)
        config = Config(asgi_app, log_config=None, fd=given.fileno())
        with config.bind_socket() as sock:
            assert sock.family == family
            assert sock.fileno() != given.fileno()
        name = given.getsockname()  # still open
    quitting = "(Press CTRL+C to quit)"
    assert announced() == [f"Fastserve running on socket {name} {quitting}"]


def expect_bind_failure(config: Config, caplog: pytest.LogCaptureFixture) -> str:
    with pytest.raises(SystemExit) as caught:
        config.bind_socket()
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.levelname == "ERROR"
    return record.getMessage()


def test_bind_socket_port_in_use(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = Config(asgi_app, log_config=None, port=port)
        assert "Address already in use" in expect_bind_failure(config, caplog)


def test_bind_socket_path_of_another_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "text"
    path.write_text("precious")
    config = Config(asgi_app, log_config=None, uds=str(path))
    assert str(path) in expect_bind_failure(config, caplog)
    assert path.read_text() == "precious"


def test_bind_socket_bad_descriptor(caplog: pytest.LogCaptureFixture) -> None:
    read, write = os.pipe()
    try:
        config = Config(asgi_app, log_config=None, fd=read)
        message = expect_bind_failure(config, caplog)
    finally:
        os.close(read)
        os.close(write)
    assert message.startswith(f"[Errno {errno.ENOTSOCK}] file descriptor")


def test_bind_socket_datagrams(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as given:
        config = Config(asgi_app, log_config=None, fd=given.fileno())
        assert "file descriptor" in expect_bind_failure(config, caplog)


# -- what is not imported -------------------------------------------------------------


def test_making_a_config_imports_no_loop_and_no_extension() -> None:
    code = (
        "import sys; from fastserve import Config; Config('x:y')\n"
        "print(*(n for n in sys.modules if n.startswith(('uvloop', 'fastserve.p'))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(fastserve.__file__).parent.parent,
        env={**os.environ, "PYTHONSAFEPATH": ""},
    )
    assert ran.stdout.split() == []

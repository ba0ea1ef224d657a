"""config: parameters, headers, event loops, and the sockets it binds."""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import os
import socket
import stat
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from _configs import asgi_app, exit_code, loaded

import fastserve
from fastserve import Config
from fastserve.config import (
    encode_header,
)

pytestmark = pytest.mark.usefixtures("loggers_put_back")


# -- parameters -----------------------------------------------------------------------


# What uvicorn has not; behind all that it has.
OF_ITS_OWN = [
    "timeout_worker_stuck",
    "timeout_request_header",
    "timeout_request_body",
    "timeout_write",
    "timeout_tls_handshake",
    "limit_request_line",
    "limit_header_size",
    "limit_header_count",
    "limit_request_body",
    "limit_chunk_extensions",
    "limit_pipelined_requests",
    "limit_connections",
    "disable_extensions",
    "timeout_drain_notice",
    "warn_blocked_loop",
]
# What a parameter becomes where that is not what was given.
BECOMES: dict[str, object] = {
    "log_config": None,
    "headers": [],
    "disable_extensions": [],
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
    ours = dict(inspect.signature(Config).parameters)
    own = {name: ours.pop(name) for name in OF_ITS_OWN}
    assert list(ours) == list(of_uvicorn)
    assert list(inspect.signature(Config).parameters)[-len(own) :] == list(own)
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


def test_zuvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    # It is not installed here: a module with what is used of it.
    module = types.ModuleType("zuvloop")
    module.__dict__["new_event_loop"] = asyncio.SelectorEventLoop
    monkeypatch.setitem(sys.modules, "zuvloop", module)
    config = Config(asgi_app, log_config=None, loop="zuvloop")
    assert config.get_loop_factory() is asyncio.SelectorEventLoop


@pytest.mark.parametrize("loop", ["uvloop", "zuvloop"])
def test_loop_that_is_not_installed(
    loop: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, loop, None)
    config = Config(asgi_app, log_config=None, loop=loop)
    with pytest.raises(SystemExit) as caught:
        config.get_loop_factory()
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.getMessage().startswith(f"Error loading the event loop {loop}. ")


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
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    return caplog.messages[0]


def test_bind_socket_port_in_use(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = Config(asgi_app, log_config=None, port=port)
        assert "Address already in use" in expect_bind_failure(config, caplog)
    if Path("/proc/net/tcp").exists():
        assert caplog.messages[1].startswith(f"Port {port} is held by process ")


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
        "files = {n: getattr(m, '__file__', '') for n, m in sys.modules.items()}\n"
        "print(*(name for name, file in files.items() if name.startswith('uvloop')"
        " or name.startswith('fastserve') and not file.endswith('.py')))"
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

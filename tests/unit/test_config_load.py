"""config: what load finds: the application, its interface, and the classes."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from _configs import asgi_app, exit_code, loaded

from fastserve import Config
from fastserve.config import HTTP_PROTOCOLS, STARTUP_FAILURE, WS_PROTOCOLS
from fastserve.lifespan.off import LifespanOff
from fastserve.lifespan.on import LifespanOn
from fastserve.middleware.asgi2 import ASGI2Middleware
from fastserve.middleware.message_logger import MessageLoggerMiddleware
from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware
from fastserve.middleware.wsgi import WSGIMiddleware
from fastserve.protocols.http.auto import AutoHTTPProtocol

pytestmark = pytest.mark.usefixtures("loggers_put_back")


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
    config = Config(None, log_config=None, proxy_headers=False)  # type: ignore[arg-type]
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


def test_interface_may_be_told() -> None:
    assert loaded(returns_awaitable, interface="asgi3").interface == "asgi3"


class ASGI2:
    def __init__(self, scope: Any) -> None: ...
    async def __call__(self, receive: Any, send: Any) -> None: ...


def asgi2(scope: Any) -> Any: ...


@pytest.mark.parametrize("app", [ASGI2, asgi2, functools.partial(asgi2)])
def test_asgi2_is_recognised(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    config = loaded(app)
    assert (config.interface, config.asgi_version) == ("asgi2", "2.0")
    assert isinstance(config.loaded_app, ASGI2Middleware)
    assert config.loaded_app.app is app
    assert caplog.records == []


def wsgi_app(environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize("app", [returns_awaitable, wsgi_app])
def test_what_cannot_be_asgi2_is_warned_of(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert loaded(app).interface == "asgi2"  # as in uvicorn
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "--interface wsgi" in record.getMessage()
    assert "--interface asgi3" in record.getMessage()


def test_what_is_not_callable_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        loaded("os:sep")
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.getMessage() == "Error loading ASGI app. 'os:sep' is not callable."


def test_wsgi() -> None:
    config = loaded(wsgi_app, interface="wsgi", ws=Protocol)
    assert config.asgi_version == "3.0"
    assert isinstance(config.loaded_app, WSGIMiddleware)
    assert config.ws_protocol_class is None


def test_wsgi_without_its_package(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "a2wsgi", None)
    monkeypatch.delitem(sys.modules, "fastserve.middleware.wsgi")
    with pytest.raises(SystemExit) as caught:
        loaded(wsgi_app, interface="wsgi")
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.getMessage().startswith("Error loading ASGI app. WSGI applications")
    assert "fastserve-asgi[wsgi]" in record.getMessage()


# -- middleware -----------------------------------------------------------------------


def test_proxy_headers_are_outermost() -> None:
    config = loaded(ASGI2, proxy_headers=True, log_level="trace")
    outermost = config.loaded_app
    assert isinstance(outermost, ProxyHeadersMiddleware)
    assert isinstance(outermost.app, MessageLoggerMiddleware)
    assert isinstance(outermost.app.app, ASGI2Middleware)


def test_message_logger_only_at_trace() -> None:
    assert loaded(log_level="debug").loaded_app is asgi_app
    config = loaded(log_level="trace")
    assert isinstance(config.loaded_app, MessageLoggerMiddleware)
    assert config.loaded_app.app is asgi_app


# -- protocol classes -----------------------------------------------------------------


class Protocol(asyncio.Protocol):
    """A class of one's own, for http and for ws."""


@pytest.mark.parametrize("name", HTTP_PROTOCOLS)
def test_http_names_are_all_ours(name: str) -> None:
    assert loaded(http=name).http_protocol_class is AutoHTTPProtocol


@pytest.mark.parametrize("name", WS_PROTOCOLS)
def test_ws_names(name: str) -> None:
    expected = None if name == "none" else AutoHTTPProtocol
    assert loaded(ws=name).ws_protocol_class is expected


@pytest.mark.parametrize("option", ["http", "ws"])
def test_protocol_class_of_ones_own(
    option: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = types.ModuleType("protocols_of_test_config")
    module.__dict__["Protocol"] = Protocol
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for given in (Protocol, f"{module.__name__}:Protocol"):
        config = loaded(**{option: given})
        assert getattr(config, f"{option}_protocol_class") is Protocol
    assert caplog.records == []


@pytest.mark.parametrize("option", ["http", "ws"])
def test_protocol_that_is_not_there(
    option: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        loaded(**{option: "httptool"})
    assert exit_code(caught) == 3
    [record] = caplog.records
    assert record.getMessage().startswith(
        f"Error loading the {option} class. "
        'Import string "httptool" must be in format "<module>:<attribute>". Names: auto'
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"http": "h11"}, "http='h11'"),
        ({"http": "httptools", "ws": "wsproto"}, "http='httptools', ws='wsproto'"),
        ({"ws": "websockets-sansio"}, "ws='websockets-sansio'"),
        (
            {"h11_max_incomplete_event_size": 65536},
            "h11_max_incomplete_event_size=65536",
        ),
        (
            {"http": "uvicorn.protocols.http.h11_impl:H11Protocol"},
            "http='uvicorn.protocols.http.h11_impl:H11Protocol'",
        ),
    ],
)
def test_uvicorns_implementations_are_told_of_once(
    settings: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.error")
    config = loaded(**settings)
    assert config.http_protocol_class is AutoHTTPProtocol
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        (
            "INFO",
            f"Without effect, for it is about uvicorn's own implementations: {told}",
        )
    ]


def test_http2_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert loaded(http2=True).http_protocol_class is AutoHTTPProtocol
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "HTTP/2 is not offered yet: http2 has no effect."


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

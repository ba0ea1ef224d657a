"""WSGI and ASGI 2 applications over real connections: what PEP 3333 promises them.

Flask's and Django's are in test_frameworks.py; these are bare ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest
from fastapi import FastAPI
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site
from harness.server import eventually

from fastserve.middleware.wsgi import WSGIMiddleware

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
TEXT = [("Content-Type", "text/plain")]


@pytest.fixture
def serve_wsgi(start_server: Callable[..., Site]) -> Callable[..., Site]:
    def serve(app: Any, **settings: Any) -> Site:
        return start_server(served_as=app, interface="wsgi", **settings)

    return serve


class Recorder:
    """A WSGI application that keeps each environ, and answers with its body."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []

    def __call__(self, environ: Environ, start: StartResponse) -> list[bytes]:
        self.environs.append(environ)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
        return [body]

    @property
    def environ(self) -> Environ:
        (environ,) = self.environs
        return environ


def test_environ(serve_wsgi: Callable[..., Site]) -> None:
    app = Recorder()
    site = serve_wsgi(app)
    client = site.connect()
    fields = [
        ("Content-Type", "text/x"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("Cookie", "a=1"),
    ]
    data = request("PUT", "/caf%C3%A9/%2F?q=%20&r", fields, b"body")
    assert client.exchange(data).body == b"body"
    host, port = site.server.address
    wanted = {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/caf\xc3\xa9//",  # the path's bytes, as PEP 3333 wants them
        "QUERY_STRING": "q=%20&r",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "4",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": client.name[0],
        "HTTP_HOST": "h",
        "HTTP_COOKIE": "a=1",
        "HTTP_X_TWO": "1,2",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }
    assert {key: app.environ[key] for key in wanted} == wanted


def test_environ_behind_a_proxy(serve_wsgi: Callable[..., Site]) -> None:
    app = Recorder()
    fields = [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")]
    serve_wsgi(app).connect().exchange(request(headers=fields))
    assert app.environ["REMOTE_ADDR"] == "192.0.2.7"
    assert app.environ["wsgi.url_scheme"] == "https"


def test_root_path_is_the_script_name(serve_wsgi: Callable[..., Site]) -> None:
    app = Recorder()
    serve_wsgi(app, root_path="/api").connect().exchange(request(target="/x"))
    assert (app.environ["SCRIPT_NAME"], app.environ["PATH_INFO"]) == ("/api", "/x")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_as_pep_3333_wants_it(serve_wsgi: Callable[..., Site], method: str) -> None:
    """wsgiref's validator stands between and raises for what is not allowed."""

    def app(environ: Environ, start: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read(5)
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
        return [b"<" + body.ljust(5) + b">"]

    def checked(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        # In a function: Config asks whether what it gets is a factory, by a call
        # without arguments, which the validator does not answer with TypeError.
        return validator(app)(environ, start_response)

    client = serve_wsgi(checked).connect()
    data = request(method, body=b"hello" if method == "POST" else b"")
    answer = client.exchange(data, method)
    expected = {"GET": b"<     >", "POST": b"<hello>", "HEAD": b""}
    assert (answer.status, answer.body) == (200, expected[method])
    assert answer.header(b"content-length") == b"7"


READS: dict[str, Callable[[Any], Iterable[bytes]]] = {
    "read": lambda body: [body.read()],
    "pieces": lambda body: iter(lambda: body.read(1000), b""),
    "readline": lambda body: iter(body.readline, b""),
    "iterator": lambda body: body,
    "readlines": lambda body: body.readlines(),
}


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("form", ["length", "chunks"])
def test_reading_the_body(serve_wsgi: Callable[..., Site], how: str, form: str) -> None:
    data = b"".join(b"line %d\n" % number for number in range(20_000))

    def app(environ: Environ, start: StartResponse) -> list[bytes]:
        body = b"".join(READS[how](environ["wsgi.input"]))
        start("200 OK", TEXT)
        return [b"same" if body == data else b"%d" % len(body)]

    client = serve_wsgi(app).connect()
    if form == "length":
        client.send(request("POST", body=data))
    else:
        fields = [("Transfer-Encoding", "chunked")]
        client.send(request("POST", headers=fields) + chunked(data[:9], data[9:]))
    assert client.answer().body == b"same"


def test_write_and_iterate(serve_wsgi: Callable[..., Site]) -> None:
    def app(environ: Environ, start: StartResponse) -> Iterator[bytes]:
        write = start("200 OK", TEXT)
        write(b"written, ")
        return iter([b"", b"iterated"])

    assert serve_wsgi(app).connect().exchange(REQUEST).body == b"written, iterated"


class Closing:
    """An iterable that notes its close(); raises after the first part if told so."""

    def __init__(self, parts: Iterable[bytes], fails: bool = False) -> None:
        self.parts = parts
        self.fails = fails
        self.made = 0
        self.closed = threading.Event()

    def __call__(self, environ: Environ, start: StartResponse) -> Closing:
        start("200 OK", TEXT)
        return self

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            yield part
            self.made += 1
            if self.fails:
                raise LookupError("in the iterable")

    def close(self) -> None:
        self.closed.set()


def test_close_is_called(serve_wsgi: Callable[..., Site]) -> None:
    app = Closing([b"a", b"b"])
    assert serve_wsgi(app).connect().exchange(REQUEST).body == b"ab"
    assert app.closed.wait(5)


def test_an_exception_in_the_iterable_cuts_the_answer(
    serve_wsgi: Callable[..., Site],
) -> None:
    app = Closing([b"a", b"b"], fails=True)
    site = serve_wsgi(app)
    client = site.connect()
    client.send(REQUEST)
    assert client.cut_answer().body == b"a"
    assert app.closed.wait(5)
    (error,) = site.errors
    assert "LookupError('in the iterable')" in error


def test_an_exception_before_the_answer(serve_wsgi: Callable[..., Site]) -> None:
    def app(environ: Environ, start: StartResponse) -> list[bytes]:
        raise LookupError("at once")

    site = serve_wsgi(app)
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().status == 500
    (error,) = site.errors
    assert "LookupError('at once')" in error


def test_requests_run_at_the_same_time(serve_wsgi: Callable[..., Site]) -> None:
    together = threading.Barrier(4)

    def app(environ: Environ, start: StartResponse) -> list[bytes]:
        together.wait(30)  # none is answered before all have come
        start("200 OK", TEXT)
        return [environ["PATH_INFO"].encode()]

    site = serve_wsgi(app)
    clients = [site.connect() for _ in range(4)]
    for number, client in enumerate(clients):
        client.send(request(target=f"/{number}"))
    bodies = [client.answer().body for client in clients]
    assert bodies == [b"/0", b"/1", b"/2", b"/3"]


def test_a_client_that_reads_nothing_holds_the_iterable_up(
    serve_wsgi: Callable[..., Site],
) -> None:
    app = Closing(b"x" * 65536 for _ in range(2000))
    client = serve_wsgi(app).connect()
    client.send(REQUEST)
    eventually(lambda: app.made)
    client.assert_not_progressing(lambda: app.made)
    assert app.made < 500
    client.reset()
    assert app.closed.wait(30), "the iterable is left hanging when its client left"


def test_a_client_that_leaves_inside_its_body_frees_the_thread(
    serve_wsgi: Callable[..., Site],
) -> None:
    read: list[bytes] = []

    def app(environ: Environ, start: StartResponse) -> list[bytes]:
        read.append(environ["wsgi.input"].read(10))
        start("200 OK", TEXT)
        return []

    site = serve_wsgi(app)
    for number in range(12):  # more than there are threads
        client = site.connect()
        client.send(request("POST", headers=[("Content-Length", "10")]) + b"hello")
        client.close()
        eventually(lambda number=number: len(read) == number + 1)
    assert read == [b"hello"] * 12
    site.wait_idle()
    assert site.warnings == []


def test_mounted_in_an_asgi_application(site: Site) -> None:
    inner = Recorder()
    outer = FastAPI()
    outer.mount("/old", WSGIMiddleware(inner))  # type: ignore[arg-type]

    @outer.get("/new")
    async def new() -> str:
        return "new"

    site.app = outer  # type: ignore[assignment]
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        assert client.get("/new").json() == "new"
        assert client.post("/old/page?a=1", content=b"body").content == b"body"
    environ = inner.environ
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/old", "/page")


# -- ASGI 2 ---------------------------------------------------------------------------


class Asgi2:
    """Answers with the path; a class, as the applications of ASGI 2 were."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        if self.scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{event}"
                await send({"type": f"lifespan.{event}.complete"})
            return
        message = await receive()
        body = self.scope["path"].encode() + message["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def asgi2_function(scope: Any) -> Asgi2:
    return Asgi2(scope)


@pytest.mark.parametrize("app", [Asgi2, asgi2_function])
@pytest.mark.parametrize("interface", ["auto", "asgi2"])
def test_asgi2(start_server: Callable[..., Site], app: Any, interface: str) -> None:
    site = start_server(served_as=app, interface=interface, lifespan="on")
    client = site.connect()
    for _ in range(3):
        answer = client.exchange(request("POST", "/path", body=b"+body"))
        assert answer.body == b"/path+body"
    assert site.server.config.asgi_version == "2.0"
    assert site.warnings == []


def test_asgi2_error(start_server: Callable[..., Site]) -> None:
    class Fails(Asgi2):
        async def __call__(self, receive: Any, send: Any) -> None:
            raise LookupError("in the instance")

    site = start_server(served_as=Fails, lifespan="off")
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().status == 500
    (error,) = site.errors
    assert "LookupError('in the instance')" in error

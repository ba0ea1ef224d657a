"""One battery of checks for every framework: see frameworks/common.py for the contract.

Each application runs as `python -m fastserve` in a process of its own; httpx and a
client of raw bytes speak to it over TCP. What the log must say about them is checked
as well: at WARNING or above, nothing that a test did not ask for.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from _served import FRAMEWORKS, Served, run
from harness.client import REQUEST, request
from harness.server import eventually

ASGI = [name for name, framework in FRAMEWORKS.items() if not framework.wsgi]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with run(request.param, tmp_path_factory.mktemp(request.param)) as served:
        yield served


@pytest.fixture
def served(running: Served) -> Iterator[Served]:
    with running.test():
        yield running


def about(data: bytes) -> dict[str, object]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


# -- requests and answers -------------------------------------------------------------


def test_text_on_one_connection(served: Served) -> None:
    client = served.connect()
    for _ in range(5):
        answer = client.exchange(REQUEST)
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.header(b"content-length") == b"5"
        assert answer.header(b"content-type").startswith(b"text/plain")
        assert answer.header(b"server") and answer.header(b"date")


def test_head(served: Served) -> None:
    client = served.connect()
    for _ in range(2):
        answer = client.exchange(request("HEAD"), "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.header(b"content-length") == b"5"
    assert client.exchange(REQUEST).body == b"hello"


@pytest.mark.parametrize("name", ["you", "J\u00fcrgen M", "a+b&c=d%", "\u6f22\u5b57"])
def test_path_and_query(served: Served, name: str) -> None:
    answer = served.get(f"/greet/{quote(name)}", params={"times": 7})
    assert answer.json() == {"name": name, "times": 7}


def test_json(served: Served) -> None:
    text = "d\u00e9j\u00e0 vu \u6f22\u5b57 \U0001f600"
    answer = served.post("/json", json={"numbers": [1, 2, 39], "text": text})
    assert (answer.status_code, answer.json()) == (200, {"sum": 42, "text": text})


def test_form(served: Served) -> None:
    data = {"name": "J\u00fcrgen & Co=", "tag": ["a b", "c+d", "\u6f22"]}
    answer = served.post("/form", data=data)
    assert answer.json() == {"name": data["name"], "tags": data["tag"]}


def test_pipelined(served: Served) -> None:
    """Three requests in one write, one of them with a body: answers in their order."""
    client = served.connect()
    client.send(
        request(target="/greet/one?times=1")
        + request("POST", "/digest", body=b"two")
        + request(target="/greet/three?times=3")
    )
    assert b"one" in client.answer().body
    assert about(b"two")["sha256"].encode() in client.answer().body
    assert b"three" in client.answer().body


def test_http_1_0(served: Served) -> None:
    client = served.connect()
    client.send(request(target="/stream?count=100", version="1.0"))
    expected = b"".join(b"%d\n" % number for number in range(100))
    answer = client.last_answer()
    assert answer.body == expected
    assert answer.header(b"transfer-encoding") is None


def test_cookies_and_redirect(served: Served) -> None:
    lines = served.get("/cookies").headers.get_list("set-cookie")
    assert sorted(line.split(";")[0] for line in lines) == ["a=1", "b=2"]
    answer = served.get("/redirect")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/greet/you?times=1")
    followed = served.get("/redirect", follow_redirects=True)
    assert followed.json() == {"name": "you", "times": 1}


# -- bodies ---------------------------------------------------------------------------


def test_upload(served: Served) -> None:
    data = os.urandom(3_000_000)
    answer = served.post(
        "/upload",
        data={"title": "\u00e9t\u00e9"},
        files={"file": ("d\u00e9j\u00e0.bin", data, "application/x-test")},
    )
    expected = {
        "title": "\u00e9t\u00e9",
        "filename": "d\u00e9j\u00e0.bin",
        **about(data),
    }
    assert (answer.status_code, answer.json()) == (200, expected)


@pytest.mark.parametrize("size", [0, 1, 65_536, 12_000_000])
def test_body_with_a_length(served: Served, size: int) -> None:
    data = os.urandom(size)
    assert served.post("/digest", content=data).json() == about(data)


@pytest.mark.parametrize("running", ASGI, indirect=True)
def test_body_in_chunks(served: Served) -> None:
    data = os.urandom(3_000_000)
    pieces = (data[at : at + 70_000] for at in range(0, len(data), 70_000))
    assert served.post("/digest", content=pieces).json() == about(data)


def test_expect_100_continue(served: Served) -> None:
    client = served.connect()
    fields = [("Expect", "100-continue"), ("Content-Length", "5")]
    client.send(request("POST", "/digest", fields))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.send(b"hello")
    assert about(b"hello")["sha256"].encode() in client.answer().body


def test_download(served: Served) -> None:
    answer = served.get("/download")
    assert answer.content == served.download
    assert answer.headers["content-length"] == str(len(served.download))
    assert "file.bin" in answer.headers["content-disposition"]
    head = served.http.head("/download")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(served.download))


def test_slow_download(served: Served) -> None:
    """A client that reads in small steps gets all of it."""
    with served.http.stream("GET", "/download") as answer:
        data = b"".join(answer.iter_raw(10_000))
    assert data == served.download


def test_stream(served: Served) -> None:
    expected = "".join(f"{number}\n" for number in range(1000))
    for _ in range(3):
        answer = served.get("/stream?count=1000")
        assert answer.text == expected
        assert answer.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("running", ASGI, indirect=True)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_ends_the_stream(served: Served, how: str) -> None:
    before = len(served.journal)
    client = served.connect()
    client.send(request(target="/endless"))
    client.read_until(b"tick")
    getattr(client, how)()
    eventually(lambda: served.journal[before:] == ["stream ended"], 20)


# -- errors ---------------------------------------------------------------------------


def test_errors_of_the_framework(served: Served) -> None:
    answer = served.get("/teapot")
    assert answer.status_code == 418
    assert "short and stout" in answer.text
    assert served.get("/nowhere").status_code == 404
    assert served.get("/form").status_code in (404, 405)


def test_an_exception_in_a_view(served: Served) -> None:
    served.expect_errors()
    for _ in range(2):
        # A framework may raise it again, which ends the connection.
        assert served.connect().exchange(request(target="/fails")).status == 500
    assert served.get("/").text == "hello"


def test_an_exception_in_a_stream_cuts_it(served: Served) -> None:
    client = served.connect()
    client.send(request(target="/breaks"))
    assert client.cut_answer().body in (b"some", b"")
    served.wait_for_complaint("in the stream")
    assert served.get("/").text == "hello"


def test_a_client_that_leaves_inside_its_body(served: Served) -> None:
    served.expect_errors()  # a framework may say so
    client = served.connect()
    client.send(request("POST", "/digest", [("Content-Length", "10")]) + b"hello")
    client.assert_silent(0.05)
    client.close()
    assert served.get("/").text == "hello"


# -- more than one --------------------------------------------------------------------


def test_many_clients(served: Served) -> None:
    """What one client sends no other one sees."""

    def one(number: int) -> bool:
        name, data = f"client{number}", os.urandom(1000 * number)
        with httpx.Client(base_url=served.process.url, timeout=60) as client:
            for times in range(10):
                greeting = client.get(f"/greet/{name}?times={times}").json()
                if greeting != {"name": name, "times": times}:
                    return False
                if client.post("/digest", content=data).json() != about(data):
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(1, 9)))


def test_work_after_the_answer(served: Served) -> None:
    client = served.connect()
    client.send(request("POST", "/after"))
    answer = client.answer()
    assert (answer.status, answer.body) == (202, b"accepted")
    assert client.exchange(REQUEST).body == b"hello"
    assert "worked" not in served.journal
    served.open_gate()
    eventually(lambda: "worked" in served.journal, 20)


def test_behind_a_proxy(served: Served) -> None:
    assert served.get("/peer").json() == {"scheme": "http", "client": "127.0.0.1"}
    fields = {
        "X-Forwarded-For": "203.0.113.66, 192.0.2.7, 127.0.0.1",
        "X-Forwarded-Proto": "https",
    }
    answer = served.get("/peer", headers=fields)
    assert answer.json() == {"scheme": "https", "client": "192.0.2.7"}
    assert served.process.stdout.search(r'192\.0\.2\.7:0 - "GET /peer HTTP/1\.1" 200')


# -- from start to end ----------------------------------------------------------------


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_lifespan(name: str, tmp_path: Path) -> None:
    with run(name, tmp_path) as served:
        state = served.get("/state")
        has_lifespan = served.framework.lifespan
        assert state.status_code == (200 if has_lifespan else 404)
        if has_lifespan:
            assert state.json() == ["connection"]
            assert served.journal == ["startup"]
        assert served.process.stop() == -signal.SIGTERM
        assert served.journal == (["startup", "shutdown"] if has_lifespan else [])
        log = served.process.log_lines()
        unsupported = "INFO:     ASGI 'lifespan' protocol appears unsupported."
        assert (unsupported in log) == (name == "django")
        ended = "INFO:     Application shutdown complete."
        assert (ended in log) == (name != "django")
        assert log[-1] == "INFO:     Finished server process [PID]"


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_root_path(name: str, tmp_path: Path) -> None:
    """Behind a proxy that has taken /api off the path, which --root-path puts back."""
    with run(name, tmp_path, "--root-path", "/api") as served:
        answer = served.get("/greet/you?times=1")
        if served.framework.takes_root_path_off:
            assert answer.json() == {"name": "you", "times": 1}
            assert served.get("/api/greet/you?times=1").status_code == 404
        else:
            assert answer.status_code == 404


@pytest.mark.parametrize("name", ASGI)
def test_shutdown_while_a_stream_is_open(name: str, tmp_path: Path) -> None:
    with run(name, tmp_path, "--timeout-graceful-shutdown", "1") as served:
        client = served.connect()
        client.send(request(target="/endless"))
        client.read_until(b"tick")
        assert served.process.stop() == -signal.SIGTERM
        # Quart and Django stream in tasks of their own. Whether these come to their
        # end before the process does is the interpreter's: on 3.13 they do.
        assert "stream ended" in served.journal or name in ("quart", "django")
        # Some end when they hear of it, the others when they are cancelled for it.
        assert (
            served.process.log_lines()[-1] == "INFO:     Finished server process [PID]"
        )
        if served.framework.lifespan:  # a stream's end may take until after it
            assert "shutdown" in served.journal
        client.close()

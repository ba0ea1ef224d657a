"""Real gunicorn with fastserve's worker: what it serves, its logs, how it ends."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import ssl
import time
from pathlib import Path

import pytest
from _gunicorn import (
    gunicorn,
    start_gunicorn,
    wait_for_workers,
    worker_pids,
)
from _load import load
from _process import HERE, TIMEOUT, ServerProcess, read_to_end, wait_until
from harness.certificates import Authority

pytest.importorskip("gunicorn", reason="gunicorn does not run on this platform")

LINE = re.compile(r"\[[-+: \d]+\] \[(\d+)\] \[([A-Z]+)\] (.*)")


def lines_of(text: str, pid: int) -> list[str]:
    """What one process said in gunicorn's error log, as `LEVEL message`."""
    found = (LINE.fullmatch(line) for line in text.splitlines())
    return [f"{m[2]} {m[3]}" for m in found if m and int(m[1]) == pid]


# -- serving and logging --------------------------------------------------------------


@pytest.mark.parametrize("name", ["FastserveWorker", "UvicornWorker"])
def test_serves_and_logs_through_gunicorn(name: str) -> None:
    args, worker = ("--access-logfile", "-"), f"fastserve.workers.{name}"
    with gunicorn("_apps:lifespan", *args, worker=worker) as server:
        [pid] = worker_pids(server)
        answer = server.get("/seen?x=1")
        assert answer.status == 200
        assert answer.headers["server"] == "fastserve"
        assert server.stdout.search(r'^127.0.0.1:\d+ - "GET /seen\?x=1 HTTP/1.1" 200$')
        assert server.stop() == 0
    assert lines_of(server.stderr.text, pid) == [
        f"INFO Booting worker with pid: {pid}",
        f"INFO Started server process [{pid}]",
        "INFO Waiting for application startup.",
        "INFO Application startup complete.",
        "INFO Shutting down",
        "INFO Waiting for application shutdown.",
        "INFO Application shutdown complete.",
        f"INFO Finished server process [{pid}]",
    ]
    assert "Traceback" not in server.stderr.text


def test_h11_worker_is_the_same_on_asyncio() -> None:
    worker = "fastserve.workers.UvicornH11Worker"
    with gunicorn("_apps:loop_name", worker=worker) as server:
        assert server.get().text.startswith("asyncio.")


def test_no_access_log_unless_gunicorn_has_one() -> None:
    with gunicorn("_apps:hello") as server:
        assert server.get().text == "hello"
        assert server.stop() == 0
    assert server.stdout.text == ""
    assert "GET /" not in server.stderr.text


def test_log_level_is_gunicorns() -> None:
    server = start_gunicorn("--log-level", "warning", "_apps:hello")
    try:
        wait_for_workers(server, 1)
        assert server.stop() == 0
    finally:
        server.close()
    assert "server process" not in server.stderr.text


def test_usr1_opens_the_logs_again(tmp_path: Path) -> None:
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    with gunicorn("_apps:hello", "--access-logfile", str(log)) as server:
        server.get("/before")
        log.rename(moved)
        server.send_signal(signal.SIGUSR1)
        wait_until(log.exists)

        def seen_in_new_log() -> bool:
            server.get("/after")
            return "GET /after" in log.read_text()

        wait_until(seen_in_new_log)
    assert "GET /before" in moved.read_text()


def test_config_kwargs_go_before_gunicorns_settings() -> None:
    worker = "_gunicorn_workers.WithSettings"
    args = ("--keep-alive", "60")
    with gunicorn("_apps:echo_scope", *args, worker=worker) as server:
        answer = server.get("/x")
        assert "'root_path': '/api'" in answer.text
        assert answer.headers["x-from"] == "settings"
        client = server.connect()
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        began = time.monotonic()
        while client.recv(65536):
            pass
        assert time.monotonic() - began < 30


def test_keep_alive_is_gunicorns() -> None:
    with gunicorn("_apps:hello", "--keep-alive", "7") as server:
        client = server.connect()
        began = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        while client.recv(65536):
            pass
        assert time.monotonic() - began >= 7  # fastserve's own is 5 s


def test_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with gunicorn("_apps:hello", "-b", f"unix:{path}") as server:
        server.uds = str(path)
        assert server.get().text == "hello"
        assert server.stop() == 0
    assert not path.exists()
    assert "Error while closing socket" not in server.stderr.text


def test_several_addresses(tmp_path: Path) -> None:
    path = tmp_path / "s"
    binds = ("-b", "127.0.0.1:0", "-b", f"unix:{path}")
    with gunicorn("_apps:hello", *binds) as server:
        assert server.get().text == "hello"
        server.uds = str(path)
        assert server.get().text == "hello"


def test_preloaded_application() -> None:
    with gunicorn("_apps:hello", "--preload", workers=2) as server:
        assert server.get().text == "hello"


# -- proxies and TLS ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "client"),
    [
        (None, "('192.0.2.7', 0)"),  # gunicorn's default names 127.0.0.1
        ("127.0.0.1", "('192.0.2.7', 0)"),
        ("*", "('192.0.2.7', 0)"),
        ("10.0.0.1", "('127.0.0.1', "),
    ],
)
def test_forwarded_allow_ips_is_gunicorns(allowed: str | None, client: str) -> None:
    args = [] if allowed is None else ["--forwarded-allow-ips", allowed]
    with gunicorn("_apps:echo_scope", *args) as server:
        answer = server.request(headers={"X-Forwarded-For": "192.0.2.7"})
        assert f"'client': {client}" in answer.text


def https(server: ServerProcess, context: ssl.SSLContext) -> bytes:
    connection = http.client.HTTPSConnection(
        server.host, server.port, context=context, timeout=TIMEOUT
    )
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read()


def test_tls_is_gunicorns(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.server()
    args = ("--certfile", files["ssl_certfile"], "--keyfile", files["ssl_keyfile"])
    # 2: clients have to show a certificate.
    client = ("--ca-certs", str(authority.file), "--cert-reqs", "2")
    with gunicorn("_apps:hello", *args, *client) as server:
        known = authority.context(authority.client("somebody"))
        assert https(server, known) == b"hello"
        with pytest.raises(OSError):
            https(server, authority.context())


def test_gunicorns_hook_makes_the_tls_context(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.server()
    args = ("--certfile", files["ssl_certfile"], "--keyfile", files["ssl_keyfile"])
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("""\
def ssl_context(config, default_factory):
    import ssl
    context = default_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
""")
    old = authority.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with gunicorn("_apps:hello", *args, "-c", str(config)) as server:
        assert https(server, authority.context()) == b"hello"
        with pytest.raises(ssl.SSLError):
            https(server, old)


# -- heartbeat ------------------------------------------------------------------------


def test_an_idle_worker_lives_longer_than_the_timeout() -> None:
    with gunicorn("_apps:hello", "--timeout", "3") as server:
        before = worker_pids(server)
        time.sleep(5)
        assert server.get().text == "hello"
        assert worker_pids(server) == before
    assert "WORKER TIMEOUT" not in server.stderr.text


def test_a_blocked_worker_is_replaced() -> None:
    with gunicorn("_apps:blocks", "--timeout", "2") as server:
        before = worker_pids(server)
        client = server.connect()
        client.sendall(b"GET /?60 HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_for_log("WORKER TIMEOUT")
        wait_for_workers(server, 1, other_than=before)
        assert client.recv(65536) == b""
        assert server.get("/?0").text == "blocked"


# -- how workers end ------------------------------------------------------------------


def test_max_requests_replaces_the_worker() -> None:
    with gunicorn("_apps:pid", "--max-requests", "5") as server:
        before = worker_pids(server)
        for _ in range(5):
            server.get()
        server.wait_for_log("Maximum request limit of 5 exceeded. Terminating process.")
        wait_for_workers(server, 1, other_than=before)
        assert int(server.get().text) not in before
        assert server.stop() == 0


def test_max_requests_jitter_is_in_the_limit() -> None:
    args = ("--max-requests", "1", "--max-requests-jitter", "1000000")
    with gunicorn("_apps:pid", *args) as server:
        before = worker_pids(server)
        for _ in range(5):
            server.get()
        time.sleep(1.5)
        assert worker_pids(server) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_each_signal_lets_the_application_stop(number: int) -> None:
    with gunicorn("_apps:lifespan", workers=2) as server:
        began = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - began < 15  # gunicorn's own patience is 30 s
    assert server.stdout.text.count("app: shutdown") == 2


def test_workers_end_when_gunicorn_is_killed() -> None:
    with gunicorn("_apps:lifespan", workers=2) as server:
        pids = worker_pids(server)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert server.stderr.text.count("Parent changed, shutting down") == 2


def test_a_running_request_is_answered_before_the_end() -> None:
    with gunicorn("_apps:slow") as server:
        client = server.begin_slow_request(1, "Connection: close")
        server.send_signal(signal.SIGTERM)
        assert read_to_end(client).endswith(b"slow")
        assert server.wait() == 0


# -- reload ---------------------------------------------------------------------------


def test_hup_replaces_the_workers_and_finishes_their_requests() -> None:
    with gunicorn("_apps:slow", workers=2) as server:
        before = worker_pids(server)
        client = server.begin_slow_request(2, "Connection: close")
        server.send_signal(signal.SIGHUP)
        assert read_to_end(client).endswith(b"slow")
        wait_for_workers(server, 2, other_than=before)


@pytest.mark.parametrize("name", ["FastserveWorker", "UvicornH11Worker"])  # each loop
def test_a_reload_under_load_loses_no_request(name: str) -> None:
    options = {"worker": f"fastserve.workers.{name}", "workers": 2}
    with gunicorn("_apps:pid", **options) as server, load(server.port) as clients:
        for _ in range(3):
            before, answered = worker_pids(server), clients.answered
            server.send_signal(signal.SIGHUP)
            wait_for_workers(server, 2, other_than=before)
            wait_until(lambda: clients.answered > answered + 100)  # noqa: B023
    assert clients.failures == []
    assert len(clients.bodies) >= 3  # one of each set, at least


def test_max_requests_under_load_lose_no_request() -> None:
    args = ("--max-requests", "200", "--max-requests-jitter", "100")
    with gunicorn("_apps:pid", *args, workers=2) as server:
        with load(server.port) as clients:
            wait_until(lambda: len(clients.bodies) >= 5)
    assert clients.failures == []


def test_reload_of_changed_sources(tmp_path: Path) -> None:
    module = tmp_path / "changing.py"
    module.write_text("from _apps import hello as app\n")
    args = ("--reload", "--reload-engine", "poll")
    env = {"PYTHONPATH": os.pathsep.join([str(HERE)])}
    with gunicorn("changing:app", *args, cwd=tmp_path, env=env) as server:
        before = worker_pids(server)
        assert server.get().text == "hello"
        module.write_text("from _apps import pid as app\n")

        def reloaded() -> bool:  # which may take the first change for the beginning
            os.utime(module)
            return not worker_pids(server) & before

        wait_until(reloaded)
        wait_until(lambda: server.get().text != "hello")


# -- boot errors ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "code", "reason"),
    [
        ("_apps:startup_fails", 3, "Worker failed to boot."),
        ("_apps:not_there", 4, "App failed to load."),
        ("no_such_module:app", 3, "Worker failed to boot."),
    ],
)
def test_an_application_that_cannot_start_ends_gunicorn(
    app: str, code: int, reason: str
) -> None:
    server = start_gunicorn(app)
    try:
        assert server.wait(TIMEOUT) == code
    finally:
        server.close()
    assert f"Reason: {reason}" in server.stderr.text

"""Real nginx and HAProxy in front of a fastserve, as the files of deploy/ say."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from _deploy import ADDRESS, program, text_of
from _process import ServerProcess, free_port, serve, start, wait_until

# As the heads of both configurations say.
OPTIONS = ("--timeout-keep-alive", "75")


class Proxied:
    """fastserve, and the proxy in front of it, which listens on `port`."""

    def __init__(self, server: ServerProcess, proxy: ServerProcess, port: int) -> None:
        self.server, self.proxy, self.port = server, proxy, port

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """A client whose own address is `source`."""
        return http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=20, source_address=(source, 0)
        )

    def is_open(self) -> bool:
        try:
            return ask(self.connect(), "/pid").isdigit()
        except (OSError, AssertionError, http.client.HTTPException):
            return False


def ask(
    connection: http.client.HTTPConnection, target: str = "/", **headers: str
) -> bytes:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", target, headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return body


def start_nginx(
    folder: Path, behind: int, port: int, replace: dict[str, str]
) -> ServerProcess:
    """nginx with its files in `folder` and one process, in front of port `behind`."""
    site = folder / "app.conf"
    addresses = {
        ADDRESS: f"127.0.0.1:{behind}",
        "listen 80;": f"listen 0.0.0.0:{port};",
        **replace,
    }
    site.write_text(text_of("nginx.conf", addresses))
    temporary = "".join(
        f"  {kind}_temp_path {folder};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    frame = (
        f"user {getpass.getuser()};\ndaemon off;\n"
        f"pid {folder}/nginx.pid;\nerror_log stderr;\n"
        "worker_processes 1;\nevents {}\n"
        f"http {{\n{temporary}  access_log off;\n  include {site};\n}}\n"
    )
    (folder / "nginx.conf").write_text(frame)
    args = ("-p", str(folder), "-c", str(folder / "nginx.conf"))
    return start(*args, command=(), python=program("nginx"), cwd=folder)


def start_haproxy(
    folder: Path, behind: int, port: int, replace: dict[str, str]
) -> ServerProcess:
    addresses = {ADDRESS: f"127.0.0.1:{behind}", "bind :80": f"bind 0.0.0.0:{port}"}
    addresses |= replace
    (folder / "haproxy.cfg").write_text(text_of("haproxy.cfg", addresses))
    return start(
        *("-db", "-f", "haproxy.cfg"),
        command=(),
        python=program("haproxy"),
        cwd=folder,
    )


PROXIES = {"nginx": start_nginx, "haproxy": start_haproxy}


@contextlib.contextmanager
def proxied_by(
    name: str,
    folder: Path,
    *options: str,
    app: str = "main:app",
    replace: dict[str, str] | None = None,
) -> Iterator[Proxied]:
    """The proxy of this name in front of a fastserve; `replace`: in its file."""
    program(name)
    with serve(app, *OPTIONS, *options, cwd=folder) as server:
        port = free_port()
        proxy = PROXIES[name](folder, server.port, port, replace or {})
        try:
            proxied = Proxied(server, proxy, port)
            wait_until(proxied.is_open)
            yield proxied
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                proxy.stop(signal.SIGTERM)  # killed, it would leave its children
            proxy.close()

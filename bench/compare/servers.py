"""The servers by name, and the command line of each for what a workload wants.

Only data and pure functions: process.py starts them. Each is given one process for
the application (unless a workload wants two), uvloop where it can, no access log, no
lifespan, a queue of 4,096 connections; beyond that, what its own documentation advises
for speed. A function raises LeftOut for what its server cannot do.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import apps

APPS = Path(__file__).parent
IDLE_SECONDS = 600  # keep-alive time while idle connections are held
BACKLOG = 4096  # connections that may wait to be accepted
FILES = 20_000  # descriptors that holding 10,000 connections may take
BODY = 128 * 1024 * 1024  # of a request; the largest upload is 100 MB


class LeftOut(Exception):
    """A server does not offer what a workload asks for; the text says what."""


class Certificate(NamedTuple):
    """Files of a certificate and of its key, in PEM; the key as PKCS #8."""

    chain: str
    key: str


@dataclass(frozen=True)
class Launch:
    """What a server is started for."""

    bin_dir: Path  # of the environment with all servers
    app: str  # MODULE:ATTRIBUTE below APPS
    port: int
    scratch: Path  # a folder of its own, gone afterwards
    workers: int = 1
    certificate: Certificate | None = None  # then it serves TLS
    access_log: bool = False  # then to standard output or error, a file
    holds_idle: bool = False  # then connections are kept for IDLE_SECONDS
    websocket: bool = False

    def program(self, name):
        """The path of a command of the environment."""
        return str(self.bin_dir / name)

    def python(self, *command):
        """A command with the applications importable, for want of an --app-dir."""
        path = f"PATH={self.bin_dir}:/usr/local/bin:/usr/bin:/bin"
        return ["env", f"PYTHONPATH={APPS}", path, *command]

    def only(self, *offered):
        """Raise LeftOut if something is wanted that is not among `offered`."""
        wanted = {
            "TLS": self.certificate,
            "an access log": self.access_log,
            "workers": self.workers > 1,
        }
        for what, is_wanted in wanted.items():
            if is_wanted and what not in offered:
                raise LeftOut(f"its command line has no option for {what}")


@dataclass(frozen=True)
class Server:
    """A server under test, or a limit that none can pass."""

    name: str
    module: str  # what `import` costs is measured on; "" if it has none
    requirements: tuple[str, ...]  # for pip; none for what pip does not install
    command: Callable[[Launch], list[str]]
    program: str = ""  # a command that must be on PATH
    is_limit: bool = False  # it runs no application: no rival, but a yardstick
    is_minor: bool = False  # unless it is asked for, only in workloads that are core


def like_uvicorn(launch, command):
    """The command line of uvicorn, and so of fastserve, without proxy headers."""
    argv = [
        *command, launch.app, "--app-dir", str(APPS), "--port", str(launch.port),
        "--loop", "uvloop", "--lifespan", "off", "--no-proxy-headers",
        "--backlog", str(BACKLOG), "--workers", str(launch.workers),
    ]  # fmt: skip
    if not launch.access_log:
        argv.append("--no-access-log")
    if launch.certificate:
        argv += ["--ssl-certfile", launch.certificate.chain]
        argv += ["--ssl-keyfile", launch.certificate.key]
    if launch.holds_idle:
        argv += ["--timeout-keep-alive", str(IDLE_SECONDS)]
    return argv


def fastserve(launch):
    """fastserve, without the middleware for proxies."""
    return like_uvicorn(launch, [launch.program("fastserve")])


def uvicorn(launch):
    """uvicorn with httptools, without the middleware for proxies."""
    command = [launch.program("uvicorn"), "--http", "httptools"]
    command += ["--ws", "websockets-sansio"]
    return like_uvicorn(launch, command)


def uvicorn_h11(launch):
    """uvicorn with its parser in pure Python."""
    return like_uvicorn(launch, [launch.program("uvicorn"), "--http", "h11"])


def granian(launch):
    """granian as in its own ASGI benchmarks: one runtime thread, HTTP/1 alone."""
    argv = [
        *launch.python(launch.program("granian"), launch.app),
        "--host", "127.0.0.1", "--port", str(launch.port), "--interface", "asginl",
        "--loop", "uvloop", "--http", "1", "--runtime-mode", "st",
        "--runtime-threads", "1", "--workers", str(launch.workers),
        "--backlog", str(BACKLOG), "--backpressure", str(FILES),
    ]  # fmt: skip
    if launch.access_log:
        argv.append("--access-log")
    else:
        argv += ["--log-level", "warning"]
    if not launch.websocket:
        argv.append("--no-ws")
    if launch.certificate:
        argv += ["--ssl-certificate", launch.certificate.chain]
        argv += ["--ssl-keyfile", launch.certificate.key]
    return argv


def hypercorn(launch):
    """hypercorn on uvloop; it has no access log unless it is asked for."""
    argv = [
        *launch.python(launch.program("hypercorn"), launch.app),
        "--bind", f"127.0.0.1:{launch.port}", "--worker-class", "uvloop",
        "--workers", str(launch.workers), "--backlog", str(BACKLOG),
    ]  # fmt: skip
    if launch.access_log:
        argv += ["--access-logfile", "-"]
    if launch.certificate:
        argv += ["--certfile", launch.certificate.chain]
        argv += ["--keyfile", launch.certificate.key]
    if launch.holds_idle:
        argv += ["--keep-alive", str(IDLE_SECONDS)]
    return argv


def h2corn(launch):
    """h2corn on uvloop, its access log off; one runtime thread for the one core."""
    argv = [
        launch.program("h2corn"), launch.app, "--app-dir", str(APPS),
        "--bind", f"127.0.0.1:{launch.port}", "--loop", "uvloop",
        "--lifespan", "off", "--runtime-threads", "1",
        "--workers", str(launch.workers), "--backlog", str(BACKLOG),
    ]  # fmt: skip
    argv.append("--access-log" if launch.access_log else "--no-access-log")
    if launch.certificate:
        argv += ["--certfile", launch.certificate.chain]
        argv += ["--keyfile", launch.certificate.key]
    if launch.holds_idle:
        argv += ["--timeout-keep-alive", str(IDLE_SECONDS)]
    return argv


def peregrine(launch):
    """peregrine: uvloop if installed, no access log by default."""
    argv = [
        launch.program("peregrine"), launch.app, "--python-path", str(APPS),
        "--port", str(launch.port), "--workers", str(launch.workers),
        "--protocol", "asgi", "--no-lifespan", "--backlog", str(BACKLOG),
        "--max-connections", str(FILES), "--max-body", str(BODY),
    ]  # fmt: skip
    if launch.access_log:
        argv.append("--access-log")
    if launch.certificate:
        argv += ["--tls-cert", launch.certificate.chain]
        argv += ["--tls-key", launch.certificate.key]
    if launch.holds_idle:
        argv += ["--keep-alive", str(IDLE_SECONDS * 1000)]
    return argv


def gunicorn(launch):
    """gunicorn's own ASGI worker, with its compiled parser."""
    argv = [
        launch.program("gunicorn"), launch.app, "--pythonpath", str(APPS),
        "--bind", f"127.0.0.1:{launch.port}", "--worker-class", "asgi",
        "--asgi-loop", "uvloop", "--asgi-lifespan", "off", "--http-parser", "fast",
        "--workers", str(launch.workers), "--backlog", str(BACKLOG),
        "--worker-connections", str(FILES), "--no-control-socket",
        "--worker-tmp-dir", str(launch.scratch),
    ]  # fmt: skip
    if launch.access_log:
        argv += ["--access-logfile", "-"]
    if launch.certificate:
        argv += ["--certfile", launch.certificate.chain]
        argv += ["--keyfile", launch.certificate.key]
    if launch.holds_idle:
        argv += ["--keep-alive", str(IDLE_SECONDS)]
    return argv


def daphne(launch):
    """daphne; its reactor is Twisted's on asyncio, without uvloop."""
    launch.only("an access log", "TLS")
    argv = launch.python(launch.program("daphne"), "--verbosity", "0")
    if launch.access_log:
        argv += ["--access-log", "-"]
    if launch.certificate:
        chain, key = launch.certificate
        endpoint = f"ssl:{launch.port}:privateKey={key}:certKey={chain}"
        argv += ["--endpoint", f"{endpoint}:interface=127.0.0.1"]
    else:
        argv += ["--port", str(launch.port)]
    return [*argv, launch.app]


def m0serve(launch):
    """m0serve: no end to a connection's requests, handlers on the loop's thread."""
    launch.only("an access log", "workers")
    argv = [
        *launch.python(launch.program("m0serve"), launch.app),
        "--app-dir", str(APPS), "--host", "127.0.0.1", "--port", str(launch.port),
        "--protocol", "asgi", "--workers", str(launch.workers),
        "--max-keepalive-requests", "0", "--max-body", str(BODY),
        "--idle-timeout", str(IDLE_SECONDS),
    ]  # fmt: skip
    if launch.access_log:
        argv.append("--access-log")
    return argv


def saltare(launch):
    """saltare: no end to a connection's requests."""
    launch.only("an access log", "workers")
    argv = [
        *launch.python(launch.program("saltare"), launch.app),
        "--host", "127.0.0.1", "--port", str(launch.port),
        "--workers", str(launch.workers), "--listen-backlog", str(BACKLOG),
        "--max-keepalive-requests", str(10**9),
        "--max-concurrent-connections", str(FILES),
        "--max-request-body", str(BODY), "--keep-alive-timeout", str(IDLE_SECONDS),
    ]  # fmt: skip
    if launch.access_log:
        argv.append("--access-log")
    return argv


def socketify(launch):
    """socketify's ASGI interface; its event loop is libuv's."""
    launch.only("TLS", "workers")
    argv = [
        *launch.python(launch.program("python"), "-m", "socketify", launch.app),
        "--host", "127.0.0.1", "--port", str(launch.port), "--interface", "asgi",
        "--lifespan", "off", "--workers", str(launch.workers),
        "--disable-listen-log", "True",
    ]  # fmt: skip
    if launch.certificate:
        argv += ["--ssl-certfile", launch.certificate.chain]
        argv += ["--ssl-keyfile", launch.certificate.key]
    return argv


def fastpysgi(launch):
    """fastpysgi, with errors alone in its log."""
    launch.only("TLS")
    argv = [
        *launch.python(launch.program("fastpysgi"), "--host", "127.0.0.1"),
        "--port", str(launch.port), "--loglevel", "3",
    ]  # fmt: skip
    if launch.certificate:
        argv += ["--certfile", launch.certificate.chain]
        argv += ["--keyfile", launch.certificate.key]
    return [*argv, launch.app]


def ceiling(launch):
    """The ceiling; it has no application."""
    name = "websocket_ceiling.py" if launch.websocket else "ceiling.py"
    argv = [launch.program("python"), str(APPS / name), "--port", str(launch.port)]
    return [*argv, "--broadcast"] if launch.app.endswith(":broadcast") else argv


NGINX = """
daemon off;
pid {scratch}/nginx.pid;
error_log stderr;
worker_processes {workers};
worker_rlimit_nofile {files};
events {{ worker_connections {files}; multi_accept on; }}
http {{
    access_log {log};
    client_body_temp_path {scratch}; proxy_temp_path {scratch};
    fastcgi_temp_path {scratch}; uwsgi_temp_path {scratch}; scgi_temp_path {scratch};
    sendfile on;
    tcp_nopush on;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout {idle};
    server {{
        listen 127.0.0.1:{port} backlog={backlog} {tls};
        {certificate}
        location = / {{ return 200 "Hello, World!"; }}
        location / {{ root {files_at}; }}
    }}
}}
"""


FILES_OF_NGINX = {"64k": apps.KIB64, "1m": apps.MIB1, "file": apps.FILE}


def find_program(name):
    """The path of a program, where a user's PATH does not look too; or its name."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    return shutil.which(name, path=path) or name


def nginx(launch):
    """nginx with a fixed answer, and the files that applications answer with."""
    certificate = ""
    if launch.certificate:
        chain, key = launch.certificate
        certificate = f"ssl_certificate {chain}; ssl_certificate_key {key};"
    for name, content in FILES_OF_NGINX.items():
        (launch.scratch / name).write_bytes(content)
    text = NGINX.format(
        scratch=launch.scratch,
        workers=launch.workers,
        files=FILES,
        log="/dev/stdout" if launch.access_log else "off",
        idle=IDLE_SECONDS,
        port=launch.port,
        backlog=BACKLOG,
        tls="ssl" if launch.certificate else "",
        certificate=certificate,
        files_at=launch.scratch,
    )
    configuration = launch.scratch / "nginx.conf"
    configuration.write_text(text)
    program = find_program("nginx")
    return [program, "-p", str(launch.scratch), "-c", str(configuration)]


SERVERS = (
    Server("ceiling", "uvloop", ("uvloop", "picows"), ceiling, is_limit=True),
    Server("nginx", "", (), nginx, program="nginx", is_limit=True),
    Server("fastserve", "fastserve", (), fastserve),
    Server("uvicorn", "uvicorn", ("uvicorn[standard]",), uvicorn),
    Server("granian", "granian", ("granian[uvloop]",), granian),
    Server("hypercorn", "hypercorn", ("hypercorn[uvloop]",), hypercorn),
    Server("h2corn", "h2corn", ("h2corn", "uvloop"), h2corn),
    Server("peregrine", "peregrine", ("peregrine-server", "uvloop"), peregrine),
    Server(
        "uvicorn-h11", "uvicorn", ("uvicorn[standard]",), uvicorn_h11, is_minor=True
    ),
    Server(
        "gunicorn", "gunicorn", ("gunicorn[fast]", "uvloop"), gunicorn, is_minor=True
    ),
    Server("daphne", "daphne", ("daphne",), daphne, is_minor=True),
    Server("m0serve", "", ("m0serve",), m0serve, is_minor=True),
    Server("saltare", "saltare", ("saltare",), saltare, is_minor=True),
    Server("socketify", "socketify", ("socketify",), socketify, is_minor=True),
    Server("fastpysgi", "fastpysgi", ("fastpysgi",), fastpysgi, is_minor=True),
)

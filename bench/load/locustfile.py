"""The users: what people and programs do with examples/app.py, each with its pauses.

    locust -f bench/load/locustfile.py --host http://127.0.0.1:8000

Every answer is checked, not only its status. `--targets NAME=URL,NAME=URL` in place of
`--host` shares the users of each class evenly among several servers, so that what slows
the machine or this client down slows all of them alike; each NAME then has lines of its
own in the report. `--samples FILE` appends a line for each request.

Nothing here knows which server answers.
"""

import hashlib
import http.client
import itertools
import os
import random
import signal
import socket
import struct
import time
from collections import defaultdict
from contextlib import closing, contextmanager
from urllib.parse import urlencode, urlsplit

import gevent
import websocket
from locust import FastHttpUser, User, between, events, task
from locust.exception import RescheduleTask

TIMEOUT = 20  # seconds that any single step may take
FILE = os.urandom(200_000)
DIGEST = hashlib.sha256(FILE).hexdigest()
LARGE = "/static-offline-docs/swagger-ui-bundle.js"  # more than a socket's buffers
# Codes of a close (RFC 6455, 7.4): as asked; the server restarts, connect again.
NORMAL, RESTART = 1000, 1012

turns = defaultdict(itertools.count)  # class: how many users of it there were


@events.init_command_line_parser.add_listener
def add_options(parser):
    parser.add_argument("--targets", default="", help="NAME=URL[,NAME=URL...]")
    parser.add_argument("--samples", default="", help="a file for every request")


@events.init.add_listener
def end_at_signal(environment, **_):
    """SIGUSR1 ends the run with its report; SIGTERM would lose it."""
    if environment.runner is not None:
        gevent.signal_handler(signal.SIGUSR1, environment.runner.quit)


@events.test_start.add_listener
def open_samples(environment, **_):
    if not environment.parsed_options.samples:
        return
    file = open(environment.parsed_options.samples, "a", buffering=1)

    def write(name, request_type, response_time, exception=None, **_):
        target, _, kind = name.rpartition(": ")
        failure = " ".join(repr(exception).split()) if exception else ""
        fields = (time.time(), target, request_type, kind, response_time, failure)
        file.write("\t".join(map(str, fields)) + "\n")

    environment.events.request.add_listener(write)


class Guest(User):
    """Somebody with a server to visit."""

    abstract = True

    def __init__(self, environment):
        self.target, self.host = "", environment.host or self.host
        if given := environment.parsed_options.targets:
            targets = [each.split("=", 1) for each in given.split(",")]
            # Workers of a master begin with different ones.
            turn = next(turns[type(self)]) + environment.runner.worker_index
            self.target, self.host = targets[turn % len(targets)]
        super().__init__(environment)

    def name(self, kind):
        """The kind of a request, under the name of its server."""
        return f"{self.target}: {kind}" if self.target else kind

    @contextmanager
    def step(self, method, kind):
        """Times the block as one request; if it raises, the task is over."""
        began, error = time.perf_counter(), None
        try:
            yield
        except Exception as raised:  # whatever it is, it is the report's
            error = raised
        self.environment.events.request.fire(
            request_type=method,
            name=self.name(kind),
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=error,
            context={},
        )
        if error is not None:
            raise RescheduleTask from error

    def connect(self):
        """An http.client connection to the server, to be closed by the caller."""
        address = urlsplit(self.host)
        return http.client.HTTPConnection(
            address.hostname, address.port, timeout=TIMEOUT
        )


class Visitor(Guest, FastHttpUser):
    """A browser on a kept connection."""

    abstract = True
    wait_time = between(0.2, 0.6)
    network_timeout = connection_timeout = TIMEOUT

    def ask(self, method, path, expected, status=200, kind=None, **options):
        """One request; `expected` is JSON, or text that the body holds."""
        with self.client.request(
            method, path, name=self.name(kind or path), catch_response=True, **options
        ) as answer:
            if answer.status_code != status:
                answer.failure(f"status {answer.status_code}: {answer.text!r:.200}")
            elif not self.fits(answer, expected):
                answer.failure(f"wrong answer: {answer.text!r:.200}")
            else:
                answer.success()  # whatever the status is

    @staticmethod
    def fits(answer, expected):
        """Whether the body is, or has, what is expected."""
        if isinstance(expected, str):
            return expected in answer.text
        return answer.json() == expected


class Browser(Visitor):
    """Goes from page to page."""

    weight = 14

    @task(3)
    def page(self):
        self.ask("GET", "/", "<h1>It works</h1>")

    @task(3)
    def book(self):
        title = {"title": "The Art of Unix Programming"}
        self.ask("GET", "/books/3", title)

    @task(2)
    def books(self):
        self.ask("GET", "/books", "TCP/IP Illustrated")

    @task
    def missing(self):
        self.ask("GET", "/books/9", {"detail": "no such book"}, status=404)

    @task
    def thread(self):
        self.ask("GET", "/thread", "thread")


class Customer(Visitor):
    """Sends forms and orders."""

    weight = 6

    @task(2)
    def greet(self):
        number = random.randrange(10**6)
        self.ask(
            "POST",
            "/greetings",
            {"greeting": f"Hello, Ada {number}!"},
            data=urlencode({"name": f"Ada {number}"}),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    @task
    def order(self):
        self.ask(
            "POST",
            "/orders",
            {"total": 60.0},
            status=201,
            json={"price": 20, "quantity": 3},
        )


class Uploader(Visitor):
    """Sends files."""

    weight = 2

    @task
    def upload(self):
        self.ask(
            "POST",
            "/files",
            {"size": len(FILE), "sha256": DIGEST},
            status=201,
            data=multipart(FILE),
            headers={"Content-Type": "multipart/form-data; boundary=limit"},
        )


def multipart(data):
    """A form with one file in it (RFC 7578)."""
    return (
        b"--limit\r\nContent-Disposition: form-data; name=file; filename=a\r\n"
        b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n--limit--\r\n"
    )


class Listener(Guest):
    """Listens to server-sent events for some seconds, then goes."""

    weight = 2
    wait_time = between(0.1, 1)

    @task
    def listen(self):
        with closing(self.connect()) as connection:
            with self.step("SSE", "/events, the first"):
                answer = self.subscribe(connection)
            with self.step("SSE", "/events, the next two"):
                for _ in range(2):
                    if not answer.readline():  # a worker that ends has ended it
                        connection.close()
                        self.subscribe(connection)  # as a browser does, on another
                        break
                    assert answer.readline().startswith(b"data: ")

    def subscribe(self, connection):
        """The answer, its first event read."""
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        assert answer.readline().startswith(b"data: ")
        return answer


class Talker(Guest):
    """Talks over a WebSocket, and connects again when the server restarts."""

    weight = 4
    wait_time = between(1, 2)

    @task
    def talk(self):
        with self.step("WS", "/echo, connect"):
            url = self.host.replace("http", "ws", 1) + "/echo"
            connection = websocket.create_connection(url, timeout=TIMEOUT)
        try:
            for _ in range(random.randint(5, 30)):
                if self.say(connection) == RESTART:
                    return
                time.sleep(random.uniform(0.1, 0.4))
            self.part(connection)
        finally:
            # Not close(): it swallows whatever is raised in it, the end of the run too.
            connection.shutdown()

    def say(self, connection):
        """One message there and back; returns the code of a close in its place."""
        text = "x" * random.choice((10, 200, 5000))
        code = None
        with self.step("WS", "/echo, a message"):
            connection.send(text)
            opcode, data = connection.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = struct.unpack("!H", data[:2])[0]
                assert code == RESTART, f"closed with {code}"
            else:
                assert data == text.encode(), "another text came back"
        return code

    def part(self, connection):
        """The closing handshake; the server may have begun its own."""
        with self.step("WS", "/echo, close"):
            connection.send_close()
            frame = connection.recv_frame()
            while frame.opcode != websocket.ABNF.OPCODE_CLOSE:
                frame = connection.recv_frame()
            code = struct.unpack("!H", frame.data[:2])[0]
            assert code in (NORMAL, RESTART), f"closed with {code}"


class SlowReader(Guest):
    """Takes a large answer a little at a time."""

    weight = 1
    wait_time = between(0.1, 1)

    @task
    def read(self):
        with (
            self.step("slow", f"GET {LARGE}"),
            closing(self.connect()) as connection,
        ):
            connection.request("GET", LARGE)
            answer = connection.getresponse()
            expected, size = int(answer.headers["Content-Length"]), 0
            while piece := answer.read(expected // 20):
                size += len(piece)
                time.sleep(0.1)
            assert size == expected, f"{size} bytes of {expected}"


class SlowWriter(Guest):
    """Sends a request in pieces, as over a bad line."""

    weight = 1
    wait_time = between(0.1, 1)

    @task
    def write(self):
        with (
            self.step("slow", "POST /greetings"),
            closing(self.connect()) as connection,
        ):
            connection.putrequest("POST", "/greetings")
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
            connection.putheader("Content-Length", "8")
            connection.endheaders()
            for byte in b"name=Ada":
                time.sleep(0.1)
                connection.send(bytes([byte]))
            answer = connection.getresponse()
            assert answer.read() == b'{"greeting":"Hello, Ada!"}', answer.status


class Leaver(Guest):
    """Goes before an answer is complete, or in the middle of a request."""

    weight = 2
    wait_time = between(0.1, 0.5)

    @task(2)
    def leave_answer(self):
        with self.step("leave", "GET /count"), closing(self.connect()) as connection:
            connection.request("GET", "/count?to=50")
            assert connection.getresponse().readline() == b"1\n"
            self.reset_now_and_then(connection)

    @task
    def leave_request(self):
        with self.step("leave", "POST /files"), closing(self.connect()) as connection:
            connection.putrequest("POST", "/files")
            connection.putheader("Content-Type", "multipart/form-data; boundary=limit")
            connection.putheader("Content-Length", str(len(FILE)))
            connection.endheaders(multipart(FILE)[:50_000])
            self.reset_now_and_then(connection)

    @staticmethod
    def reset_now_and_then(connection):
        """Every other one ends with a RST, as a killed program's does."""
        if random.random() < 0.5:
            linger = struct.pack("ii", 1, 0)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

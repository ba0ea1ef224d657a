"""Measures an `sse` workload: clients that listen to events, on one core.

The application decides how many events there are, so the server is not driven to its
limit: CPU time an event counts, and how late an event is. Each event is the time when
the application made it, on the clock that all processes of the machine share.
"""

import re
import selectors
import time
from contextlib import ExitStack

from .answers import WrongAnswer, connect, read_fields
from .idle import raise_file_limit
from .process import serving
from .samples import percentiles_us, record
from .window import Window

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
    b"Cache-Control: no-store\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
)
WARM_UP = 1.0  # seconds in which all clients have their first events
EVENT = re.compile(rb"data: (\d+)\n\n")


def subscribe(workload, port):
    """A connection that listens; its answer's head has been checked.

    Nothing behind the head is read: a buffer would swallow the first events.
    """
    connection = connect(workload, port)
    try:
        connection.sendall(REQUEST)
        with connection.makefile("rb", buffering=0) as stream:
            status = stream.readline()
            headers = dict(read_fields(stream))
    except BaseException:
        connection.close()
        raise
    if not status.startswith(b"HTTP/1.1 200"):
        raise WrongAnswer(f"status line {status!r}")
    if headers.get(b"content-type") != b"text/event-stream":
        raise WrongAnswer(f"no event stream: {headers}")
    return connection


def listen(selector, seconds):
    """Read events for a while; the delays of all that came, in seconds.

    Raises WrongAnswer when a stream ends.
    """
    delays = []
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(min(left, 0.1)):
            data = key.fileobj.recv(65536)
            now = time.monotonic_ns()
            if not data:
                raise WrongAnswer("a stream of events ended")
            delays += [(now - made) / 1e9 for made in times_in(data)]
    return delays


def times_in(data):
    """The times of the events that a read holds whole."""
    return map(int, EVENT.findall(data))


def measure(server, workload, settings):
    """One round: CPU time an event, and how late events are."""
    raise_file_limit()
    with (
        serving(server, workload, settings) as served,
        ExitStack() as stack,
        selectors.DefaultSelector() as selector,
    ):
        for _ in range(workload.connections):
            connection = stack.enter_context(subscribe(workload, served.port))
            selector.register(connection, selectors.EVENT_READ)
        listen(selector, WARM_UP)
        window = Window(served.process.pid, workload, settings)
        delays = listen(selector, settings.seconds)
        usage = window.stop()
        served.must_live()
        if not delays:
            raise WrongAnswer("no event came")
    return record(usage, len(delays), usage.wall, percentiles_us(delays))

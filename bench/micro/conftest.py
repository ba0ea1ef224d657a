"""What the micro-benchmarks share: the bytes of requests, and an event loop.

There is no __init__.py here: pytest imports these files from the checkout, and
fastserve from where it is installed.
"""

import asyncio

import pytest
import uvloop

SMALL = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"

BROWSER = (
    b"GET /shop/lamps?page=%d&sort=price HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    b"(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Referer: https://www.example.com/shop\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\n"
    b"Cookie: session=eyJ1c2VyIjo0MiwiY3NyZiI6IjlmODZkMDgxODg0YzdkNjU5YTJm%04d; "
    b"theme=dark; consent=analytics%%3D0%%26ads%%3D0\r\n"
    b"\r\n"
)

POST = (
    b"POST /items HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8000\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: 1024\r\n"
    b"\r\n"
) + b"x" * 1024


class Requests:
    """Requests of one kind, one after the other for ever.

    The list is short enough to stay in the processor's cache, and has more entries
    than anything remembers of a connection.
    """

    def __init__(self, kind):
        self.kind = kind
        self.requests = KINDS[kind]
        self.at = 0

    def next(self):
        """The bytes of the next request."""
        self.at = (self.at + 1) % len(self.requests)
        return self.requests[self.at]


KINDS = {
    "small": [SMALL],
    "browser": [BROWSER % (1, 1)],
    # Path and cookie differ from request to request.
    "browser-varied": [BROWSER % (i, i) for i in range(1, 65)],
    "post-1k": [POST],
}


@pytest.fixture(params=KINDS)
def requests(request):
    """Each kind of request in turn."""
    return Requests(request.param)


@pytest.fixture
def loop():
    """A uvloop that is closed at the end."""
    loop = uvloop.new_event_loop()
    yield loop
    loop.run_until_complete(asyncio.sleep(0.01))  # what was scheduled meanwhile
    loop.close()


@pytest.fixture
def in_callback(loop):
    """A function that calls another in a callback of the loop, as a read would."""

    def run(function):
        outcome = loop.create_future()

        def callback():
            try:
                outcome.set_result(function())
            except BaseException as error:
                outcome.set_exception(error)

        loop.call_soon(callback)
        return loop.run_until_complete(outcome)

    return run

"""Parsing one request on a kept connection: fastserve, httptools and h11.

Each ends with what a server needs of a request: method, decoded path, query, a list
of lower-cased headers, whether the connection may be kept, and the body.
"""

from urllib.parse import unquote

import h11
import httptools
import pytest

from fastserve.protocols.http1 import RequestParser


class FastserveParser:
    """RequestParser as the connection uses it."""

    def __init__(self):
        self.parser = RequestParser()

    def parse(self, data):
        """The parsed request as a tuple."""
        parser = self.parser
        parser.feed(data)
        found = (
            parser.method,
            parser.path,
            parser.query_string,
            parser.headers,
            parser.keep_alive,
            parser.take_body() or b"",
        )
        parser.next()
        return found


class HttptoolsParser:
    """httptools with the callbacks that a server gives it."""

    def __init__(self):
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self):
        self.url = b""
        self.body = b""
        self.headers = []

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.headers.append((name.lower(), value))

    def on_body(self, body):
        self.body += body

    def parse(self, data):
        """The parsed request as a tuple."""
        self.parser.feed_data(data)
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        return (
            self.parser.get_method().decode("ascii"),
            unquote(path) if "%" in path else path,
            url.query or b"",
            self.headers,
            self.parser.should_keep_alive(),
            self.body,
        )


class H11Parser:
    """h11; its connection serves one request, for a second needs an answer first."""

    def parse(self, data):
        """The parsed request as a tuple."""
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        head = connection.next_event()
        path, _, query = head.target.partition(b"?")
        body = b""
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        return (
            head.method.decode("ascii"),
            unquote(path.decode("ascii")),
            query,
            list(head.headers),
            (b"connection", b"close") not in head.headers,
            body,
        )


PARSERS = {
    "fastserve": FastserveParser,
    "httptools": HttptoolsParser,
    "h11": H11Parser,
}


@pytest.mark.parametrize("name", PARSERS)
def test_parse(benchmark, requests, name):
    parser = PARSERS[name]()
    data = requests.requests[0]
    assert parser.parse(data) == H11Parser().parse(data)
    benchmark.group = f"parse {requests.kind}"
    benchmark(lambda: parser.parse(requests.next()))

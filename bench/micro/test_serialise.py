"""Writing an answer: the head alone, with a small body, and one chunk of a stream."""

import pytest

from fastserve.protocols.http1_writer import ResponseWriter

DATE = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
DEFAULTS = DATE + b"server: fastserve\r\n"
BODY = b"Hello, World!"

TEXT = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
PAGE = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-length", b"13"),
    (b"cache-control", b"private, max-age=0, must-revalidate"),
    (b"vary", b"Accept-Encoding, Cookie"),
    (b"etag", b'"9f86d081884c7d659a2feaa0c55ad015"'),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:"),
    (b"set-cookie", b"session=eyJ1c2VyIjo0Mn0; Path=/; HttpOnly; SameSite=Lax"),
]


def start(writer, headers):
    """The head of an answer to GET on HTTP/1.1."""
    return writer.start(200, headers, DEFAULTS, len(DATE), False, False, True)


@pytest.mark.parametrize("headers", [TEXT, PAGE], ids=["2-headers", "10-headers"])
def test_head(benchmark, headers):
    writer = ResponseWriter()
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    expected = b"HTTP/1.1 200 OK\r\n" + DEFAULTS + lines + b"\r\n"
    assert start(writer, headers) == expected
    benchmark(start, writer, headers)


def test_head_and_body(benchmark):
    writer = ResponseWriter()

    def answer():
        return writer.body(start(writer, TEXT), BODY, False)

    assert answer().endswith(b"\r\n\r\n" + BODY)
    benchmark(answer)


def test_chunk(benchmark):
    writer = ResponseWriter()
    start(writer, TEXT[:1])
    chunk = b"c" * 128
    assert writer.body(None, chunk, True) == b"80\r\n" + chunk + b"\r\n"
    benchmark(writer.body, None, chunk, True)

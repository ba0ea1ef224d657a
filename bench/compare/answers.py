"""Checks that a server gives a workload's answer, byte for byte, before it is timed.

The client here is for checking and for holding connections, never for load.
"""

import socket
import ssl

SOCKET_LIMIT = 10  # seconds for one answer


class WrongAnswer(Exception):
    """A server answered something other than the workload asks for."""


def read_answer(stream):
    """One answer from a buffered binary file: (status, headers, body).

    Header names are lower-cased. Raises WrongAnswer when the stream ends early.
    """
    line = stream.readline()
    if not line.startswith(b"HTTP/1.1 "):
        raise WrongAnswer(f"status line {line!r}")
    status = int(line.split()[1])
    headers = dict(read_fields(stream))
    if headers.get(b"transfer-encoding") == b"chunked":
        body = b"".join(read_chunks(stream))
    elif b"content-length" in headers:
        body = read_exactly(stream, int(headers[b"content-length"]))
    else:
        body = stream.read()  # it ends with the connection
    return status, headers, body


def read_fields(stream):
    """Yield (name, value) up to the empty line that ends a head or trailer."""
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        yield name.lower(), value.strip()


def read_chunks(stream):
    """Yield the chunks of a chunked body (RFC 9112, 7.1) and read its trailer."""
    while size := int(stream.readline().split(b";")[0], 16):
        yield read_exactly(stream, size)
        read_exactly(stream, 2)
    for _ in read_fields(stream):
        pass


def read_exactly(stream, count):
    """`count` bytes; raises WrongAnswer when there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise WrongAnswer(f"the connection ended, {count - len(data)} bytes missing")
    return data


def tls_context():
    """A client's context, without a session to resume and without trust to check."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(workload, port):
    """A connection to a server, under TLS if the workload wants that."""
    connection = socket.create_connection(("127.0.0.1", port), SOCKET_LIMIT)
    if not workload.tls:
        return connection
    try:
        return tls_context().wrap_socket(connection)
    except BaseException:
        connection.close()
        raise


def request_bytes(workload, port, number=0):
    """The request that wrk sends for a workload, once; `number` is what varies."""
    lines = [f"{workload.method} {workload.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in workload.headers]
    if workload.body_size:
        lines.append(f"Content-Length: {workload.body_size}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return with_number(head.encode("ascii"), number) + b"x" * workload.body_size


def with_number(template, number):
    """Bytes with the place for what varies filled."""
    return template.replace(b"{n}", b"%08x" % number)


def check(workload, port):
    """Ask as the workload does, on one connection, and compare every answer.

    Raises WrongAnswer, or OSError when the server cannot be reached.
    """
    with (
        connect(workload, port) as connection,
        connection.makefile("rb") as stream,
    ):
        for number in range(1 if workload.closes else 2):
            request = request_bytes(workload, port, number)
            connection.sendall(request * workload.depth)
            for _ in range(workload.depth):
                status, _, body = read_answer(stream)
                compare(workload, status, body, number)
        if workload.closes and stream.read():  # it waits for the connection's end
            raise WrongAnswer("bytes after the last answer")


def compare(workload, status, body, number=0):
    """Raise WrongAnswer unless the answer is the workload's."""
    if status != 200:
        raise WrongAnswer(f"status {status}, not 200")
    wanted = with_number(workload.answer, number)
    if body != wanted:
        raise WrongAnswer(
            f"body of {len(body)} bytes {body[:60]!r},"
            f" not of {len(wanted)} bytes {wanted[:60]!r}"
        )

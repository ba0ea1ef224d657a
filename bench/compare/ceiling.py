"""The ceiling: a uvloop protocol that writes one fixed answer for each read.

It parses nothing and runs no application, so no server that is written on uvloop's
transports can cost less. It is right only where each read holds exactly one
request that is answered with the plaintext body. Run as a script, it imports
nothing of this package.
"""

import argparse
import asyncio

import uvloop

# As many bytes as uvicorn's answer to the plaintext application.
ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    b"server: ceiling\r\n"
    b"content-type: text/plain\r\n"
    b"content-length: 13\r\n"
    b"\r\n"
    b"Hello, World!"
)


class Ceiling(asyncio.Protocol):
    """Writes ANSWER whenever something arrives."""

    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self.write(ANSWER)


async def serve(host, port):
    """Serve on host:port until the process is ended by a signal."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Ceiling, host, port, backlog=2048)
    async with server:
        await server.serve_forever()


def main():
    """Read the two options and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvloop.run(serve(options.host, options.port))


if __name__ == "__main__":
    main()

"""The WebSocket ceiling: picows' own echo server on uvloop, and its broadcast.

picows hands frames to a callback, in the read buffer and without a task, a queue or a
check of UTF-8, so no ASGI server on a loop's transports can be expected to cost less.
Run as a script, it imports nothing of this package.
"""

import argparse

import picows
import uvloop


class Echo(picows.WSListener):
    """Every message goes back as it came."""

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class Broadcast(picows.WSListener):
    """Every message goes to all connections, its sender's among them."""

    listeners = set()

    def on_ws_connected(self, transport):
        self.listeners.add(transport)

    def on_ws_disconnected(self, transport):
        self.listeners.discard(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        for listener in self.listeners:
            listener.send(frame.msg_type, payload)


async def serve(host, port, listener):
    """Serve on host:port until the process is ended by a signal."""
    server = await picows.ws_create_server(
        lambda request: listener(),
        host,
        port,
        websocket_handshake_timeout=10,
        max_frame_size=16 * 1024 * 1024,
        backlog=2048,
    )
    async with server:
        await server.serve_forever()


def main():
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--broadcast", action="store_true")
    options = parser.parse_args()
    listener = Broadcast if options.broadcast else Echo
    uvloop.run(serve(options.host, options.port, listener))


if __name__ == "__main__":
    main()

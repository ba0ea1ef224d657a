"""The attack: `python -m bench.slow.peers PORT COUNT`, a process of its own.

Each of COUNT connections sends a head that never ends, a byte a second; whoever is
refused connects again. Says `ready` when all are there. Ends with its standard input,
and prints then how often it was answered, by status, and cut without an answer.
"""

import contextlib
import json
import resource
import selectors
import socket
import sys
import time
from collections import Counter

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX: "
STEPS = 50  # parts of a second, in each of which as many send


class Peers:
    """The connections, each at a place of its own."""

    def __init__(self, port, count):
        self.answers = Counter()
        self._port = port
        self._selector = selectors.EpollSelector()
        self._socks = [self._connect(place) for place in range(count)]

    def _connect(self, place):
        sock = socket.create_connection(("127.0.0.1", self._port))
        sock.setblocking(False)
        sock.send(HEAD)
        self._selector.register(sock, selectors.EVENT_READ, place)
        return sock

    def send(self, step):
        """A byte on every STEPSth connection."""
        for sock in self._socks[step::STEPS]:
            with contextlib.suppress(OSError):
                sock.send(b"x")

    def look(self, reconnect=True):
        """Count those that were answered; others take their places."""
        for key, _ in self._selector.select(timeout=0):
            sock, place = key.fileobj, key.data
            try:
                answer = sock.recv(65_536)
            except OSError:
                answer = b""
            self.answers[answer[9:12].decode() or "cut"] += 1
            self._selector.unregister(sock)
            sock.close()
            if reconnect:
                self._socks[place] = self._connect(place)


def main():
    port, count = map(int, sys.argv[1:])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers = Peers(port, count)
    print("ready", flush=True)
    end = selectors.DefaultSelector()
    end.register(sys.stdin, selectors.EVENT_READ)
    due, step = time.monotonic(), 0
    while not end.select(timeout=max(0.0, due - time.monotonic())):
        peers.send(step)
        peers.look()
        step = (step + 1) % STEPS
        due = max(due + 1 / STEPS, time.monotonic())  # nothing is made up for
    peers.look(reconnect=False)
    print(json.dumps(peers.answers))


if __name__ == "__main__":
    main()

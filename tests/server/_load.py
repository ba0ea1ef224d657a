"""Clients that ask again and again, and count what they did not get an answer to.

    with load(server.port, body=b"hello") as clients:
        ...                      # restart what is behind the port
    assert clients.failures == []

Each client keeps its connection as long as the server does, and pauses now and then,
so that some connections are idle whenever the server closes them. Nothing is tried
twice: a request without its whole answer is a failure, as is a connect refused.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Clients:
    """What all clients together have seen so far."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    bodies: set[bytes] = field(default_factory=set)


@contextlib.contextmanager
def load(
    port: int,
    clients: int = 8,
    target: str = "/",
    longest_pause: float = 0.05,
    timeout: float = 60.0,
) -> Iterator[Clients]:
    """Keep `clients` connections to 127.0.0.1 busy while the block runs."""
    seen, lock, over = Clients(), threading.Lock(), threading.Event()

    def ask(number: int) -> None:
        chance = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        with contextlib.closing(connection):
            while not over.is_set():
                try:
                    connection.request("GET", target)
                    answer = connection.getresponse()
                    body, status = answer.read(), str(answer.status)
                except (OSError, http.client.HTTPException) as exc:
                    connection.close()
                    status, body = repr(exc), b""
                with lock:
                    if status == "200":
                        seen.answered += 1
                        seen.bodies.add(body)
                    else:
                        seen.failures.append(f"client {number}: {status}")
                time.sleep(chance.choice([0, 0, chance.uniform(0, longest_pause)]))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()

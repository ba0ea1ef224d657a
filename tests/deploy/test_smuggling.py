"""Nothing is smuggled past a real nginx or HAProxy to the fastserve behind it.

The proxy marks each request that it forwards, over whatever the client said, with a
number that comes once, and with method and target as it has read them. Whatever the
case files send, the application sees a request for each mark and none without, and an
honest client, over the same connections to fastserve, gets its own answers.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from _proxies import PROXIES, Proxied, ask, proxied_by
from harness.cases import Case, all_cases
from harness.probe import Seen
from harness.probe import ask as send

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
AT_ONCE = 40
SILENCE = 0.7  # seconds: then nothing more comes of a case

NGINX = "proxy_http_version 1.1;"
HAPROXY = "    option forwardfor\n"
MARKS = {
    "nginx": {
        NGINX: f"{NGINX}\nproxy_set_header X-Mark $request_id;\n"
        "proxy_set_header X-Method $request_method;\n"
        "proxy_set_header X-Target $request_uri;\n"
    },
    "haproxy": {
        HAPROXY: f"{HAPROXY}    http-request set-header X-Mark %[uuid()]\n"
        "    http-request set-header X-Method %[method]\n"
        "    http-request set-header X-Target %[url]\n",
        "uri / ver": "uri /check ver",
    },
}


@pytest.mark.parametrize("name", PROXIES)
def test_nothing_is_smuggled_through(name: str, folder: Path) -> None:
    (folder / "main.py").write_text(
        (folder / "main.py").read_text().replace("_deployed", "_forwarded")
    )
    cases = all_cases()
    with proxied_by(name, folder, replace=MARKS[name]) as proxied:
        ask(proxied.connect(), "/seen")
        answers, honest = asyncio.run(send_all(proxied, cases))
        came = json.loads(ask(proxied.connect(), "/seen"))
    assert honest > 20
    assert len(came) > honest + 100  # many a case is good, or made good by the proxy
    marks = [mark for each in came for mark in each["marks"]]
    assert [each for each in came if len(each["marks"]) != 1] == []
    assert len(set(marks)) == len(marks)
    assert [each for each in came if not is_same(*each["marked"], *each["read"])] == []
    # Of what the application answered nobody got anything twice, or another's.
    told = [mark for seen in answers for mark in marks_in(seen)]
    assert len(set(told)) == len(told)
    assert set(told) <= set(marks)


def is_same(method: str, target: str, method_read: str, target_read: str) -> bool:
    """Whether both have read the same; HAProxy forwards an absolute form as it is."""
    _, absolute, rest = target.partition("://")
    if absolute:
        target = "/" + rest.partition("/")[2]
    return (method, target) == (method_read, target_read)


def marks_in(seen: Seen) -> list[str]:
    """The marks that stand in the answers of the application."""
    return [
        part.partition(b'"]')[0].decode()
        for part in seen.data.split(b'{"marks": ["')[1:]
    ]


async def send_all(proxied: Proxied, cases: list[Case]) -> tuple[list[Seen], int]:
    """What came of each case, and how often an honest client was served meanwhile."""
    over = asyncio.Event()
    honest = asyncio.create_task(go_on_asking(proxied.port, over))
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Seen:
        async with turn:
            return await send(proxied.port, case.data + HIDDEN, SILENCE)

    answers = await asyncio.gather(*map(one, cases))
    over.set()
    return list(answers), await honest


async def go_on_asking(port: int, over: asyncio.Event) -> int:
    """Ask on one connection after another for a path that is nobody else's."""
    count = 0
    while not over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(10):
            count += 1
            target = f"/honest/{count}"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            answer = await read_answer(reader)
            assert answer["read"] == ["GET", target], answer
            await asyncio.sleep(0.01)
        writer.close()
    return count


async def read_answer(reader: asyncio.StreamReader) -> Any:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert head.startswith(b"HTTP/1.1 200 "), head
    fields = dict(
        line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2]
    )
    return json.loads(await reader.readexactly(int(fields["content-length"])))

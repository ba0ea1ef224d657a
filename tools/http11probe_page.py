"""Writes docs/framing.md: what Http11Probe's MUST cases get, here and from uvicorn.

    python -m tools.http11probe_page        # some seconds; needs the test extra

Each case of tests/wire/cases/http11probe goes to fastserve, to uvicorn on httptools and
to uvicorn on h11, each a process of its own with the same application, on its defaults;
what came back is judged by the rule in the case's file. tests/wire/test_cases.py holds
fastserve to the page. Measures no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "framing.md"

sys.path.append(str(ROOT / "tests"))

from harness.cases import FOLDER, Case, cases_of  # noqa: E402
from harness.probe import Seen, ask, meets  # noqa: E402

SERVERS = {
    "fastserve": ["fastserve"],
    f"uvicorn {version('uvicorn')}, httptools": ["uvicorn", "--http", "httptools"],
    f"uvicorn {version('uvicorn')}, h11": ["uvicorn", "--http", "h11"],
}
SILENCE = 1.5  # seconds without a byte, after which nothing more is waited for

HEAD = """\
# Framing

<!-- Made by `python -m tools.http11probe_page`: change that, and not this page. -->

Where a request ends is what a proxy and the server behind it must agree about.
fastserve reads requests as RFC 9112 has them, and refuses what it does not allow;
[Security](security.md#what-a-client-cannot-do) says what follows from that.

[Http11Probe](https://github.com/MDA2AV/Http11Probe) tests servers with requests that
the RFCs forbid, or oblige a server to take. These are its cases at the level of MUST,
made anew from what it says of them in public, and sent to each server on its defaults,
with the same application: it echoes bodies, and answers OPTIONS with 204 and DELETE
with 405.

"""

EXPLAINED = """\
- `400`: answered with that status, and closed; `, kept`: the connection stays open.
- `200 200`: two answers to what was one message.
- `closed`: no answer; `waits`: no answer yet, for the message is not whole.
- **Bold**: not what the case demands.

The one that fastserve does not pass is an empty Host, which it serves: RFC 9112 3.2
has a client send one where the URI has no authority. Cases that no rule of an RFC's
obliges a server to refuse, such as a field's value of 100 KB, are not among these.

"""


async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Started by each of the servers as tools.http11probe_page:app."""
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        data, more = data + message["body"], message["more_body"]
    status, headers = 200, [(b"content-length", b"%d" % len(data))]
    if scope["method"] == "DELETE":
        status, headers = 405, [*headers, (b"allow", b"GET, POST")]
    elif scope["method"] == "OPTIONS" and scope["path"] != "*":
        status, headers = 204, [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


@contextlib.contextmanager
def served(module: str, *options: str) -> Iterator[int]:
    """The port on which this server serves; it is stopped afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, "tools.http11probe_page:app", *options]
    command += ["--port", str(port), "--log-level", "critical", "--lifespan", "off"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} does not serve")


def cases() -> list[Case]:
    return [
        case
        for path in sorted((FOLDER / "http11probe").glob("*.http"))
        for case in cases_of(path)
    ]


async def ask_all(port: int, asked: list[Case]) -> list[Seen]:
    """Ten at a time: most of the time goes into waiting for what does not come."""
    turn = asyncio.Semaphore(10)

    async def one(case: Case) -> Seen:
        async with turn:
            return await ask(port, case.data, SILENCE)

    return list(await asyncio.gather(*map(one, asked)))


def cell(case: Case, seen: Seen) -> str:
    return str(seen) if meets(seen, case.rule) else f"**{seen}**"


def rfc_of(case: Case) -> str:
    text = (FOLDER / f"{case.name}.http").read_text()
    found = re.search(r"RFC (\d+) ([\d.]*\d)", text)
    assert found is not None, f"{case.name} names no section"
    number, section = found.groups()
    link = f"https://www.rfc-editor.org/rfc/rfc{number}#section-{section}"
    return f"[RFC {number} {section}]({link})"


def page() -> str:
    asked = cases()
    columns = {}
    for name, (module, *options) in SERVERS.items():
        with served(module, *options) as port:
            columns[name] = asyncio.run(ask_all(port, asked))
    passed = {
        name: sum(
            meets(seen, case.rule) for case, seen in zip(asked, column, strict=True)
        )
        for name, column in columns.items()
    }
    lines = [f"| | {' | '.join(SERVERS)} |", "| :-- |" + " --: |" * len(SERVERS)]
    lines += [
        f"| passed of {len(asked)} | {' | '.join(map(str, passed.values()))} |",
        "",
        EXPLAINED + f"| case | says | {' | '.join(SERVERS)} |",
        "| :-- | :-- |" + " :-- |" * len(SERVERS),
    ]
    for number, case in enumerate(asked):
        cells = [cell(case, column[number]) for column in columns.values()]
        name = case.name.removeprefix("http11probe/")
        lines.append(f"| {name} | {rfc_of(case)} | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()

"""WebSockets of a page in a real browser: Chromium, without a window."""

from __future__ import annotations

import html
import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from _deploy import program
from _process import serve

HERE = Path(__file__).resolve().parent
LIMIT = 60  # seconds for the browser, which takes four where nothing else runs

# No sandbox: it needs rights that a container seldom has, and the page is our own.
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]


def browse(url: str, folder: Path) -> dict[str, Any]:
    """What the page's script has found."""
    command = [program("chromium"), *OPTIONS, f"--user-data-dir={folder}"]
    done = subprocess.run(
        [*command, f"--timeout={1000 * LIMIT}", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=LIMIT + 10,
    )
    match = re.search(r'<pre id="found">(.+?)</pre>', done.stdout)
    assert match, done.stdout[-500:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(match[1]))
    return found


@pytest.mark.timeout(LIMIT + 60)
def test_a_page_in_chromium(tmp_path: Path) -> None:
    program("chromium")
    with serve("_browsed:app", "--app-dir", str(HERE), "--lifespan", "off") as server:
        found = browse(server.url, tmp_path)
        with urllib.request.urlopen(f"{server.url}/seen", timeout=20) as answer:
            seen = json.load(answer)
        log = server.stderr.text
    extensions = found.pop("extensions")
    assert extensions.startswith("permessage-deflate; ")
    assert found == {
        "protocol": "two",
        "text": "same",
        "empty": "same",
        "binary": "same",
        "large": "same",
        "largeText": "same",
        "closedByPage": [4001, "enough", True],
        "closedByServer": [4002, "grüß", True],
        "denied": "it does not open",
        "deniedEnd": [1006, "", False],
    }
    assert seen == [[4001, "enough"], [4002, "grüß"]]
    assert '"WebSocket /deny" 403' in log
    assert "ERROR" not in log and "Traceback" not in log

"""What applications make of a proxy in front: redirects, absolute URLs, mounts.

The fields themselves are in unit/test_proxy_headers.py and wire/test_proxy_headers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from _process import serve
from fastapi import FastAPI, Request
from harness.client import request
from harness.fixtures import Site
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware

# What nginx adds with the lines that its documentation shows.
FIELDS = {
    "Host": "www.example",
    "X-Forwarded-For": "192.0.2.7",
    "X-Forwarded-Proto": "https",
}


async def show(request: Request) -> Response:
    assert request.client is not None
    return JSONResponse(
        {
            "url": str(request.url),
            "base": str(request.base_url),
            "client": request.client.host,
            "link": str(request.url_for("show")),
        }
    )


def get(site: Site, target: str, **fields: str) -> httpx.Response:
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        return client.get(target, headers={**FIELDS, **fields})


def items_application() -> FastAPI:
    app = FastAPI()

    @app.get("/items/")
    async def items() -> list[str]:
        return ["item"]

    return app


def test_a_redirect_goes_to_https(site: Site) -> None:
    site.app = items_application()  # type: ignore[assignment]
    answer = get(site, "/items")
    assert answer.status_code == 307
    assert answer.headers["location"] == "https://www.example/items/"


def test_a_redirect_of_an_untrusted_proxy_goes_to_http(
    start_server: Callable[..., Site],
) -> None:
    """The pain that the warning is for."""
    app: Any = items_application()
    site = start_server(app, forwarded_allow_ips="10.0.0.1")
    answer = get(site, "/items")
    assert answer.headers["location"] == "http://www.example/items/"
    assert "--forwarded-allow-ips" in site.wait_for_message("X-Forwarded-Proto")


def test_absolute_urls(site: Site) -> None:
    site.app = Starlette(routes=[Route("/show", show)])  # type: ignore[assignment]
    assert get(site, "/show?a=1").json() == {
        "url": "https://www.example/show?a=1",
        "base": "https://www.example/",
        "client": "192.0.2.7",
        "link": "https://www.example/show",
    }


@pytest.mark.parametrize("root_path", ["", "/api", "/a/b"])
def test_a_mount_under_a_root_path(
    start_server: Callable[..., Site], root_path: str
) -> None:
    inner = Starlette(routes=[Route("/show", show)])
    app: Any = Starlette(routes=[Mount("/v1", inner)])
    site = start_server(app, root_path=root_path)
    answer = get(site, "/v1/show").json()
    assert answer["base"] == f"https://www.example{root_path}/"
    assert answer["link"] == f"https://www.example{root_path}/v1/show"
    assert answer["url"] == f"https://www.example{root_path}/v1/show"


def test_fastapis_docs_under_a_root_path(start_server: Callable[..., Site]) -> None:
    app: Any = items_application()
    site = start_server(app, root_path="/api")
    assert "/api/openapi.json" in get(site, "/docs").text
    assert get(site, "/openapi.json").json()["servers"] == [{"url": "/api"}]


@pytest.mark.parametrize("how", ["inside", "outside"])
def test_the_applications_own_middleware(
    start_server: Callable[..., Site], how: str
) -> None:
    """As many applications have it: the server itself trusts no one here."""
    routes = [Route("/show", show)]
    if how == "inside":
        middleware = [Middleware(ProxyHeadersMiddleware, trusted_hosts="*")]
        app: Any = Starlette(routes=routes, middleware=middleware)
    else:
        app = ProxyHeadersMiddleware(Starlette(routes=routes), trusted_hosts=["*"])
    site = start_server(served_as=app, proxy_headers=False)
    assert site.server.config.interface == "asgi3"
    answer = get(site, "/show").json()
    assert answer["client"] == "192.0.2.7"
    assert answer["url"] == "https://www.example/show"
    assert site.warnings == []


def test_both_middlewares(site: Site) -> None:
    """The inner one sees a client that it does not trust, and leaves it."""
    app: Any = Starlette(routes=[Route("/show", show)])
    site.app = ProxyHeadersMiddleware(app)
    answer = get(site, "/show", **{"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}).json()
    assert answer["client"] == "192.0.2.7"
    assert site.warnings == []


def test_a_host_that_would_move_the_path_never_arrives(site: Site) -> None:
    """Starlette made URLs of it, and a check of the path looked at the wrong one."""
    site.app = Starlette(routes=[Route("/show", show)])  # type: ignore[assignment]
    for host in ("h/admin?", "h?x=", "h#", "h\\admin", "user@h"):
        client = site.connect()
        client.send(f"GET /show HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        client.refused()


def test_the_access_line_of_a_hostile_client() -> None:
    """What a trusted proxy passes on is shown, and moves no terminal's cursor."""
    hostile = b"\x9b2J\xc2\x9b31m192.0.2.7"  # C1 controls: bytes over 0x7f are valid
    with serve("_apps:hello", "--forwarded-allow-ips", "*") as server:
        client = server.connect()
        client.sendall(
            request(headers=[("Connection", "close")])[:-2]
            + b"X-Forwarded-For: "
            + hostile
            + b"\r\n\r\n"
        )
        while client.recv(65536):
            pass
        line = server.stdout.search("GET / HTTP")
        assert line is not None
        assert r"\x9b2J\xc2\x9b31m192.0.2.7:0 - " in line.string.replace(
            "\xc2", r"\xc2"
        )
        assert "\x9b" not in line.string

"""TLS on the wire, and what applications are told of it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.apps import Gate, Recorder, echo, replies, respond
from harness.certificates import NAME, Authority, pem_of
from harness.client import REQUEST, Client, request
from harness.fixtures import Site
from harness.server import eventually

Start = Callable[..., Site]

# RFC 8446 B.4
TLS_1_3_SUITES = {
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def files(authority: Authority) -> dict[str, Any]:
    return authority.server()


def tls_of(recorder: Recorder) -> dict[str, Any]:
    return recorder.scopes[-1]["extensions"]["tls"]


# --- the scope -----------------------------------------------------------------------


def test_scope(start_server: Start, authority: Authority, files: dict) -> None:
    recorder = Recorder()
    site = start_server(recorder, **files)
    client = authority.secure(site.connect())
    assert client.exchange(REQUEST).status == 200
    assert client.exchange(REQUEST).status == 200
    first, second = recorder.scopes
    assert first["scheme"] == "https"
    assert first["client"] == client.name
    assert first["server"] == site.server.address
    assert first["extensions"]["tls"] == {
        "server_cert": pem_of(client),
        "client_cert_chain": (),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": TLS_1_3_SUITES[client.sock.cipher()[0]],  # type: ignore
    }
    assert second["extensions"] == first["extensions"]
    assert second["extensions"]["tls"] is not first["extensions"]["tls"]


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning")
def test_tls_1_2_and_ciphers(
    start_server: Start, authority: Authority, files: dict
) -> None:
    recorder = Recorder()
    site = start_server(
        recorder,
        **files,
        ssl_version=ssl.PROTOCOL_TLSv1_2,
        ssl_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256",
    )
    client = authority.secure(site.connect())
    assert client.exchange(REQUEST).status == 200
    assert client.sock.version() == "TLSv1.2"  # type: ignore[attr-defined]
    # RFC 5289: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    assert tls_of(recorder)["cipher_suite"] == 0xC02B
    assert tls_of(recorder)["tls_version"] == 0x0303


def test_no_tls_no_extension(site: Site) -> None:
    site.app = recorder = Recorder()
    site.connect().exchange(REQUEST)
    assert "tls" not in recorder.scope["extensions"]
    assert recorder.scope["scheme"] == "http"


# --- client certificates -------------------------------------------------------------


@pytest.mark.parametrize("required", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_client_certificate(
    start_server: Start, authority: Authority, files: dict, required: int
) -> None:
    own = authority.client("Ada, Countess of Lovelace")
    recorder = Recorder()
    site = start_server(
        recorder, **files, ssl_cert_reqs=required, ssl_ca_certs=authority.file
    )
    client = authority.secure(site.connect(), authority.context(own))
    assert client.exchange(REQUEST).status == 200
    tls = tls_of(recorder)
    assert tls["client_cert_chain"][0] == Path(own["ssl_certfile"]).read_text()
    # trustme's subject: commonName, after organizationName and -UnitName.
    name = tls["client_cert_name"]
    assert name.startswith(r"CN=Ada\, Countess of Lovelace,OU=Testing cert")
    assert ",O=trustme v" in name
    assert tls["client_cert_error"] is None


def test_client_certificate_with_its_chain(
    start_server: Start, authority: Authority, files: dict
) -> None:
    own = authority.client_of_another("Far")
    recorder = Recorder()
    site = start_server(
        recorder, **files, ssl_cert_reqs=ssl.CERT_REQUIRED, ssl_ca_certs=authority.file
    )
    client = authority.secure(site.connect(), authority.context(own))
    assert client.exchange(REQUEST).status == 200
    chain = "".join(tls_of(recorder)["client_cert_chain"])
    sent = Path(own["ssl_certfile"]).read_text()
    assert sent.count("BEGIN CERTIFICATE") == 2
    if sys.version_info >= (3, 13):
        assert chain == sent
    else:  # the ssl module tells of the client's own alone
        assert sent.startswith(chain)
        assert chain.count("BEGIN CERTIFICATE") == 1


def test_no_client_certificate_though_it_is_required(
    start_server: Start, authority: Authority, files: dict
) -> None:
    recorder = Recorder()
    site = start_server(
        recorder,
        **files,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
        ssl_ca_certs=str(authority.file),
    )
    with pytest.raises(OSError):  # TLS 1.3: the client is told when it reads
        client = authority.secure(site.connect())
        client.send(REQUEST)
        assert client.sock.recv(1) == b"", "an answer without a certificate"
        raise ConnectionResetError
    assert recorder.scopes == []
    assert site.warnings == []


def test_optional_client_certificate_that_is_not_there(
    start_server: Start, authority: Authority, files: dict
) -> None:
    recorder = Recorder()
    site = start_server(
        recorder,
        **files,
        ssl_cert_reqs=ssl.CERT_OPTIONAL,
        ssl_ca_certs=str(authority.file),
    )
    assert authority.secure(site.connect()).exchange(REQUEST).status == 200
    assert tls_of(recorder)["client_cert_chain"] == ()
    assert tls_of(recorder)["client_cert_name"] is None


# --- context factory -----------------------------------------------------------------


def test_context_factory(
    start_server: Start, authority: Authority, files: dict
) -> None:
    made: list[tuple[Any, ssl.SSLContext]] = []

    def factory(config: Any, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = default()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        made.append((config, context))
        return context

    recorder = Recorder()
    site = start_server(recorder, **files, ssl_context_factory=factory)
    config = site.server.config
    assert made == [(config, config.ssl)]
    client = authority.secure(site.connect())
    assert client.exchange(REQUEST).status == 200
    assert client.sock.version() == "TLSv1.2"  # type: ignore[attr-defined]
    # Which certificate a context of others uses the ssl module does not tell.
    assert tls_of(recorder)["server_cert"] is None


# --- bytes ---------------------------------------------------------------------------


def test_a_long_body_both_ways(
    start_server: Start, authority: Authority, files: dict
) -> None:
    site = start_server(echo, **files)
    client = authority.secure(site.connect())
    data = bytes(range(256)) * 20_000
    assert client.exchange(request("POST", body=data)).body == data
    assert client.exchange(REQUEST).status == 200  # the same connection


def test_pipelined_requests(
    start_server: Start, authority: Authority, files: dict
) -> None:
    recorder = Recorder()
    site = start_server(recorder, **files)
    client = authority.secure(site.connect())
    client.send(b"".join(request("POST", body=b"%d" % n) for n in range(50)))
    assert [client.answer().body for _ in range(50)] == [b"%d" % n for n in range(50)]


def test_the_first_request_comes_with_the_end_of_the_handshake(
    start_server: Start, authority: Authority, files: dict
) -> None:
    """One segment: the client's Finished, a request, and close_notify or not."""
    site = start_server(replies(b"early"), **files)
    client = site.connect()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = authority.context().wrap_bio(incoming, outgoing, server_hostname=NAME)
    while True:
        try:
            secure.do_handshake()
            break
        except ssl.SSLWantReadError:
            client.send(outgoing.read())
            incoming.write(client.receive())
    secure.write(request(headers=[("Connection", "close")]))
    client.send(outgoing.read())
    received = b""
    while not received.endswith(b"early"):
        try:
            received += secure.read(65536)
        except ssl.SSLWantReadError:
            incoming.write(client.receive())
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_connection_close_ends_in_order(
    start_server: Start, authority: Authority, files: dict
) -> None:
    site = start_server(replies(), **files)
    client = authority.secure(site.connect())
    client.send(request(headers=[("Connection", "close")]))
    assert client.last_answer().body == b"ok"  # close_notify, or it would raise


def test_refusal(start_server: Start, authority: Authority, files: dict) -> None:
    site = start_server(**files)
    client = authority.secure(site.connect())
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.refused(400)


def test_close_notify_while_a_request_runs(
    start_server: Start,
    authority: Authority,
    files: dict,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """TLS has no half-closed connection: the application hears that it is over."""
    gate, messages = Gate(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        gate.reached.set()
        messages.append(await receive())
        for _ in range(20):
            await asyncio.sleep(0.01)
        await respond(send)

    caplog.set_level(logging.WARNING, "asyncio")
    site = start_server(app, **files)
    client = authority.secure(site.connect())
    client.send(REQUEST)
    gate.wait_reached()
    client.sock.settimeout(0.2)
    with pytest.raises((OSError, ssl.SSLError)):
        client.sock.unwrap()  # type: ignore[attr-defined]
        raise ConnectionResetError
    eventually(lambda: messages)
    assert messages == [{"type": "http.disconnect"}]
    site.wait_idle()
    assert [r.getMessage() for r in caplog.records if r.name == "asyncio"] == []


def test_unix_socket(
    start_server: Start, authority: Authority, files: dict, tmp_path: Path
) -> None:
    recorder = Recorder()
    site = start_server(recorder, **files, uds=str(tmp_path / "tls.sock"))
    assert authority.secure(site.connect()).exchange(REQUEST).status == 200
    assert recorder.scope["client"] is None
    assert tls_of(recorder)["tls_version"] == 0x0304


def test_asyncio_debug_mode(
    start_server: Start,
    authority: Authority,
    files: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    site = start_server(echo, **files)
    client = authority.secure(site.connect())
    assert client.exchange(request("POST", body=b"x" * 300_000)).status == 200
    with site.connect() as plain:
        plain.send(REQUEST)
        assert plain.read_to_eof() == b""


# --- what is no TLS ------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "CONNECT"])
def test_plain_http_on_a_tls_port(
    start_server: Start, files: dict, method: str
) -> None:
    site = start_server(**files)
    client = site.connect()
    client.send(request(method))
    assert client.read_to_eof() == b""
    host, port = client.name
    assert site.wait_for_message("TLS port") == (
        f"Plain HTTP on the TLS port, from {host}:{port}. Its clients must use https."
    )
    assert len(site.warnings) == 1


@pytest.mark.parametrize(
    "data", [request("OPTIONS"), request("DELETE"), b"SSH-2.0-x\r\n", bytes(64)]
)
def test_something_else_on_a_tls_port(
    start_server: Start, files: dict, data: bytes
) -> None:
    site = start_server(**files)
    client = site.connect()
    client.send(data)
    assert client.read_to_eof() == b""
    named = f"No TLS on the TLS port, from {client.name[0]}:{client.name[1]}."
    assert site.wait_for_message("TLS port").startswith(named)
    assert len(site.warnings) == 1


def test_such_lines_are_limited(start_server: Start, files: dict) -> None:
    site = start_server(**files)
    for _ in range(60):
        with site.connect() as client:
            client.send(REQUEST)
            client.read_to_eof()
    site.wait_for_message("TLS port")
    assert len(site.warnings) <= 30  # five a second


def test_tls_on_a_plain_port(site: Site, authority: Authority) -> None:
    client = site.connect()
    with pytest.raises(ssl.SSLError):
        authority.secure(client)
    assert site.wait_for_message("TLS on a plain port")
    assert site.warnings[0] == "Invalid HTTP request received."


def test_clients_that_say_nothing_are_no_news(
    start_server: Start, authority: Authority, files: dict
) -> None:
    """A health check that connects and leaves, and a client that trusts another."""
    site = start_server(**files)
    for leave in (Client.close, Client.reset):
        leave(site.connect())
    with pytest.raises(ssl.SSLError):
        authority.secure(site.connect(), ssl.create_default_context())
    assert authority.secure(site.connect()).exchange(REQUEST).status == 200
    assert site.warnings == []


# --- ends ----------------------------------------------------------------------------


def test_shutdown_waits_for_no_silent_peer(
    start_server: Start, authority: Authority, files: dict
) -> None:
    """Neither for a close_notify, nor for a handshake, that never comes."""
    site = start_server(**files, timeout_graceful_shutdown=120)
    idle = authority.secure(site.connect())
    assert idle.exchange(REQUEST).status == 200
    silent = socket.create_connection(site.server.address, 5)
    with silent:
        eventually(lambda: len(site.server.server._tls.handshakes) == 1)
        site.server.stop()  # fails after 30 s


def test_keep_alive_time_is_over(
    start_server: Start, authority: Authority, files: dict
) -> None:
    site = start_server(**files, timeout_keep_alive=1)
    client = authority.secure(site.connect())
    assert client.exchange(REQUEST).status == 200
    eventually(lambda: not site.server.server.server_state.connections)
    assert client.read_to_eof() == b""

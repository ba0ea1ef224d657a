"""TLS of a whole process: its options, and its certificates read again on SIGHUP."""

from __future__ import annotations

import contextlib
import http.client
import os
import pty
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from _apps import hello
from _lines import STARTED_WITHOUT, STOPPED_WITHOUT
from _process import ServerProcess, run_to_end, serve, start, wait_until
from cryptography.hazmat.primitives import serialization
from harness.certificates import Authority, options
from harness.server import ServerThread

import fastserve
from fastserve.tls import read_again

READ_AGAIN = "INFO:     The TLS certificates were read again."
REFUSED = "The new TLS certificates cannot be used, the old ones stay: "


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.contextmanager
def connected(
    server: ServerProcess, context: ssl.SSLContext
) -> Iterator[http.client.HTTPSConnection]:
    connection = http.client.HTTPSConnection(
        server.host, server.port, context=context, timeout=30
    )
    with contextlib.closing(connection):
        connection.connect()
        yield connection


def body(connection: http.client.HTTPSConnection) -> bytes:
    connection.request("GET", "/")
    return connection.getresponse().read()


def certificate(connection: http.client.HTTPSConnection) -> str:
    return ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(binary_form=True))


def shown(server: ServerProcess, authority: Authority) -> str:
    """The certificate that a new connection meets; a request on it is answered."""
    with connected(server, authority.context()) as connection:
        found = certificate(connection)
        assert body(connection)
        return found


def pem(settings: dict[str, Any]) -> str:
    return Path(settings["ssl_certfile"]).read_text()


def reload(server: ServerProcess, times: int = 1) -> None:
    """SIGHUP, and wait for the line that says so for the `times`th time."""
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log_lines().count(READ_AGAIN) == times)


# -- options --------------------------------------------------------------------------


def test_https(authority: Authority, loop_name: str) -> None:
    settings = authority.server()
    with serve("_apps:hello", *options(settings), "--loop", loop_name) as server:
        with connected(server, authority.context()) as connection:
            assert body(connection) == body(connection) == b"hello"
            assert certificate(connection) == pem(settings)
        assert server.stop(signal.SIGINT) == 0
        lines = [line.replace("https", "http") for line in server.log_lines()]
        assert lines == STARTED_WITHOUT + STOPPED_WITHOUT


def test_certificate_and_key_in_one_file(authority: Authority) -> None:
    settings = authority.server()
    with open(settings["ssl_certfile"], "a") as file:
        file.write(Path(settings.pop("ssl_keyfile")).read_text())
    with serve("_apps:hello", *options(settings)) as server:
        assert shown(server, authority) in pem(settings)


def encrypt(path: str, password: bytes) -> None:
    key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    Path(path).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


def test_encrypted_key(authority: Authority) -> None:
    settings = authority.server()
    encrypt(settings["ssl_keyfile"], b"secret")
    settings["ssl_keyfile_password"] = "secret"
    with serve("_apps:hello", *options(settings)) as server:
        assert shown(server, authority) == pem(settings)
        reload(server)
        assert shown(server, authority) == pem(settings)


def wrong_password(settings: dict[str, Any]) -> None:
    encrypt(settings["ssl_keyfile"], b"secret")
    settings["ssl_keyfile_password"] = "guess"


def key_of_another(settings: dict[str, Any]) -> None:
    other = Authority(Path(settings["ssl_keyfile"]).parent, "other").server("other")
    settings["ssl_keyfile"] = other["ssl_keyfile"]


def no_certificate_inside(settings: dict[str, Any]) -> None:
    Path(settings["ssl_certfile"]).write_text("no certificate\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ssl_certfile": "nowhere.pem"}, "No such file or directory: 'nowhere.pem'"),
        ({"ssl_keyfile": "nowhere.pem"}, "No such file or directory: 'nowhere.pem'"),
        ({"ssl_ca_certs": "nowhere.pem"}, "No such file or directory: 'nowhere.pem'"),
        ({"ssl_certfile": None}, "requires `ssl_certfile`"),
        ({"ssl_ciphers": "NONE-OF-THEM"}, "No cipher can be selected"),
        ({"ssl_cert_reqs": "9"}, "9 is not a valid VerifyMode"),
        ({"ssl_version": "99"}, "invalid or unsupported protocol version"),
        (wrong_password, "[SSL]"),
        (key_of_another, "KEY_VALUES_MISMATCH"),
        (no_certificate_inside, "[SSL]"),
    ],
)
def test_what_cannot_be_used(
    authority: Authority, change: Any, words: str, tmp_path: Path
) -> None:
    settings = authority.server()
    if callable(change):
        change(settings)
    else:
        settings |= change
    given = {name: value for name, value in settings.items() if value is not None}
    ended = run_to_end("_apps:hello", "--port", "0", *options(given))
    assert ended.process.returncode == 3
    (line,) = ended.stderr.lines
    assert line.startswith("ERROR:    TLS cannot be set up with the certificate file ")
    assert repr(given.get("ssl_certfile")) in line
    assert words in line


# -- SIGHUP ---------------------------------------------------------------------------


def test_certificates_are_read_again(authority: Authority, loop_name: str) -> None:
    settings = authority.server()
    first = pem(settings)
    args = (*options(settings), "--loop", loop_name)
    with serve("_apps:hello", *args) as server:
        with connected(server, authority.context()) as kept:
            assert body(kept) == b"hello"
            authority.server()
            reload(server)
            assert shown(server, authority) == pem(settings) != first
            assert body(kept) == b"hello"  # as it was, on its connection
            assert certificate(kept) == first
        assert server.stop() == -signal.SIGTERM


def test_what_an_application_is_told_of_the_certificate(authority: Authority) -> None:
    settings = authority.server()
    with serve("_apps:server_certificate", *options(settings)) as server:
        for times in (1, 2):
            with connected(server, authority.context()) as connection:
                assert body(connection).decode() == certificate(connection)
            authority.server()
            reload(server, times)


@pytest.mark.parametrize("spoil", [no_certificate_inside, key_of_another, "remove"])
def test_bad_new_certificates_change_nothing(authority: Authority, spoil: Any) -> None:
    settings = authority.server()
    first = pem(settings)
    with serve("_apps:hello", *options(settings)) as server:
        if spoil == "remove":
            os.remove(settings["ssl_keyfile"])
        elif spoil is key_of_another:
            other = dict(settings)
            spoil(other)
            Path(other["ssl_keyfile"]).replace(settings["ssl_keyfile"])
        else:
            spoil(settings)
        for _ in range(2):
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("ERROR: +" + REFUSED)
            assert shown(server, authority) == first
        authority.server()
        reload(server)
        assert shown(server, authority) == pem(settings) != first


def test_no_request_is_lost(authority: Authority, loop_name: str) -> None:
    """Requests on kept and on new connections, while certificates change."""
    settings = authority.server()
    done, failures, answers = threading.Event(), [], []

    def ask(server: ServerProcess, keep: bool) -> None:
        try:
            while not done.is_set():
                with connected(server, authority.context()) as connection:
                    answers.append(body(connection))
                    while keep and not done.is_set():
                        answers.append(body(connection))
        except Exception as exc:
            failures.append(exc)

    args = (*options(settings), "--loop", loop_name, "--no-access-log")
    with serve("_apps:hello", *args) as server:
        clients = [
            threading.Thread(target=ask, args=(server, keep))
            for keep in (True, False, False)
        ]
        for client in clients:
            client.start()
        for times in range(1, 6):
            authority.server()
            reload(server, times)
        done.set()
        for client in clients:
            client.join()
        assert failures == []
        assert set(answers) == {b"hello"}
        assert shown(server, authority) == pem(settings)


def test_an_authority_that_is_trusted_no_more(
    authority: Authority, tmp_path: Path
) -> None:
    """The file of --ssl-ca-certs is read again too."""
    settings = authority.server()
    clients = Authority(tmp_path, "clients")
    own = authority.context(clients.client("someone"))
    settings |= {"ssl_cert_reqs": "2", "ssl_ca_certs": str(clients.file)}
    with serve("_apps:hello", *options(settings)) as server:
        with connected(server, own) as kept:
            assert body(kept) == b"hello"
            Authority(tmp_path, "clients")  # another one, in the same file
            reload(server)
            assert body(kept) == b"hello"
        with pytest.raises(OSError), connected(server, own) as refused:
            body(refused)


FACTORY = """
import pathlib, ssl, sys
import fastserve

calls = []

def factory(config, default_factory):
    calls.append(config)
    if pathlib.Path("fail").exists():
        raise RuntimeError("the vault is shut")
    context = default_factory()
    if len(calls) == 1:  # what follows can only come with another context
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context

fastserve.run("_apps:hello", port=0, ssl_context_factory=factory, loop=sys.argv[1],
              ssl_certfile=sys.argv[2], ssl_keyfile=sys.argv[3], app_dir=sys.argv[4])
"""


def test_a_factory_is_called_again(
    authority: Authority, loop_name: str, tmp_path: Path
) -> None:
    settings = authority.server()
    args = (loop_name, *settings.values(), str(Path(__file__).parent))
    server = start(*args, command=("-c", FACTORY), cwd=tmp_path)
    with contextlib.closing(server):
        server.wait_ready()
        with connected(server, authority.context()) as kept:
            assert body(kept) == b"hello"
            assert kept.sock.version() == "TLSv1.2"

            (tmp_path / "fail").touch()
            server.send_signal(signal.SIGHUP)
            server.wait_for_log(f"ERROR: +{REFUSED}the vault is shut")
            with connected(server, authority.context()) as connection:
                assert connection.sock.version() == "TLSv1.2"

            (tmp_path / "fail").unlink()
            reload(server)
            with connected(server, authority.context()) as connection:
                assert connection.sock.version() == "TLSv1.3"
                assert body(connection) == b"hello"
            assert body(kept) == b"hello"


def met(server: ServerProcess, authority: Authority) -> set[str]:
    """What ten new connections meet; nothing as long as nobody listens."""
    try:
        return {shown(server, authority) for _ in range(10)}
    except ConnectionRefusedError:
        return set()


def test_workers_read_them_too(authority: Authority) -> None:
    settings = authority.server()
    first = pem(settings)
    with serve("_apps:hello", *options(settings), "--workers", "2") as server:
        wait_until(lambda: met(server, authority) == {first})
        authority.server()
        server.send_signal(signal.SIGHUP)
        # Until both are replaced either may answer.
        wait_until(lambda: met(server, authority) == {pem(settings)})
        assert server.stop() == 0


def test_sighup_without_tls_ends_the_process(loop_name: str) -> None:
    with serve("_apps:hello", "--loop", loop_name) as server:
        assert server.get("/").text == "hello"
        assert server.stop(signal.SIGHUP) == -signal.SIGHUP


def test_sighup_of_a_terminal_ends_the_process(authority: Authority) -> None:
    """With TLS too: then it is the terminal that was closed."""
    master, slave = pty.openpty()
    name = os.ttyname(slave)

    def take_terminal() -> None:  # the first that a session opens is its own
        os.close(os.open(name, os.O_RDWR))

    try:
        args = options(authority.server())
        with serve("_apps:hello", *args, preexec_fn=take_terminal) as server:
            assert server.stop(signal.SIGHUP) == -signal.SIGHUP
    finally:
        os.close(master)
        os.close(slave)


# -- from a program -------------------------------------------------------------------


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[Callable[..., str]]:
    """A server in a thread. Gives what has it read the certificates again."""
    with ServerThread(hello, **settings) as server:

        async def again() -> None:
            server.server.reload_certificates()

        def meet(reload: bool = True) -> str:
            if reload:
                server.run(again())
            return ssl.get_server_certificate(server.address)

        yield meet


def test_reload_certificates(authority: Authority) -> None:
    """What SIGHUP does, where no signal comes."""
    settings = authority.server()
    first = pem(settings)
    with serving(**settings) as meet:
        assert meet(reload=False) == first
        authority.server()
        assert meet(reload=False) == first
        assert meet() == pem(settings) != first


@pytest.mark.parametrize("kinds", ["RSA ECDSA RSA", "ECDSA RSA ECDSA"])
def test_a_key_of_another_kind(authority: Authority, kinds: str) -> None:
    """A context keeps a certificate of each kind, and shows the old one."""
    first, *others = map(trustme.KeyType.__getitem__, kinds.split())
    settings = authority.server(key_type=first)
    with serving(**settings) as meet:
        assert meet(reload=False) == pem(settings)
        for other in others:
            authority.server(key_type=other)
            assert meet() == pem(settings)


def test_what_a_program_has_changed_in_the_context_stays(authority: Authority) -> None:
    """The live context gets the new certificate: what else it holds is kept."""
    settings = authority.server()
    config = fastserve.Config(hello, port=0, log_config=None, **settings)
    config.load()
    live = config.ssl
    assert live is not None
    live.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.server()
    read_again(config)
    assert config.ssl is live
    assert live.maximum_version is ssl.TLSVersion.TLSv1_2
    assert live.certificate == pem(settings)  # type: ignore[attr-defined]


def test_a_live_context_that_has_lost_its_certificate(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files change between the trial and the real thing: the trial's is taken."""
    settings = authority.server()
    config = fastserve.Config(hello, port=0, log_config=None, **settings)
    config.load()
    live = config.ssl
    authority.server()
    good, original = pem(settings), live.load_cert_chain

    def load(*args: Any) -> None:
        key_of_another(other := dict(settings))
        Path(other["ssl_keyfile"]).replace(settings["ssl_keyfile"])
        original(*args)

    monkeypatch.setattr(live, "load_cert_chain", load)
    read_again(config)
    assert config.ssl is not live
    assert config.ssl.certificate == good  # type: ignore[union-attr]


def test_a_context_that_a_program_swaps(authority: Authority, tmp_path: Path) -> None:
    """`config.ssl` is looked at for each connection."""
    settings = authority.server()
    other = Authority(tmp_path, "other").server("other")
    with ServerThread(hello, **settings) as server:
        assert ssl.get_server_certificate(server.address) == pem(settings)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(other["ssl_certfile"], other["ssl_keyfile"])
        server.config.ssl = context
        assert ssl.get_server_certificate(server.address) == pem(other)

"""TLS without sockets: context factories, names of clients, cipher suites."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from _fakes import FakeTransport

import fastserve.config
from fastserve.config import Config
from fastserve.protocols.tls import distinguished_name, tls_extension
from fastserve.tls import create_ssl_context, make_context, read_again


async def app(scope: Any, receive: Any, send: Any) -> None: ...


def config(**settings: Any) -> Config:
    made = Config(app, log_config=None, **settings)
    made.http_protocol_class = object
    return made


# -- contexts -------------------------------------------------------------------------


def test_no_tls() -> None:
    assert make_context(config()) is None
    assert not config().is_ssl


@pytest.mark.parametrize(
    "settings",
    [
        {"ssl_keyfile": "key.pem"},
        {"ssl_certfile": "cert.pem"},
        {"ssl_context_factory": lambda config, default: None},
    ],
)
def test_is_ssl_before_load(settings: dict[str, Any]) -> None:
    assert config(**settings).is_ssl


def test_the_function_is_where_uvicorn_has_it() -> None:
    assert fastserve.config.create_ssl_context is create_ssl_context


def test_a_factory_needs_no_certificate_of_the_settings() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = config(ssl_context_factory=lambda config, default: context)
    assert make_context(made) is context


@pytest.mark.parametrize("returned", [None, "context", ssl.SSLContext])
def test_a_factory_must_return_a_context(returned: Any) -> None:
    made = config(ssl_context_factory=lambda config, default: returned)
    with pytest.raises(TypeError) as caught:
        made.load()
    assert str(caught.value) == (
        "`ssl_context_factory` must return an `ssl.SSLContext`, got "
        + type(returned).__name__
    )


def test_the_default_of_a_factory_needs_a_certificate() -> None:
    made = config(ssl_context_factory=lambda config, default: default())
    with pytest.raises(RuntimeError, match="requires `ssl_certfile`"):
        made.load()


def test_what_a_factory_raises_goes_through() -> None:
    def factory(config: Any, default: Any) -> Any:
        raise LookupError("no such secret")

    with pytest.raises(LookupError, match="no such secret"):
        config(ssl_context_factory=factory).load()


def test_nothing_to_read_again() -> None:
    made = config()
    made.ssl = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # the program's own
    with pytest.raises(RuntimeError, match="the settings name no certificate"):
        read_again(made)
    assert made.ssl is context


# -- the extension --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ([], ""),
        ([[("commonName", "Jim")]], "CN=Jim"),
        # RFC 4514 section 4: its own examples.
        (
            [
                [("domainComponent", "net")],
                [("domainComponent", "example")],
                [("userId", "jsmith")],
            ],
            "UID=jsmith,DC=example,DC=net",
        ),
        (
            [
                [("domainComponent", "net")],
                [("organizationalUnitName", "Sales"), ("commonName", "J.  Smith")],
            ],
            "OU=Sales+CN=J.  Smith,DC=net",
        ),
        ([[("commonName", 'James "Jim" Smith, III')]], r"CN=James \"Jim\" Smith\, III"),
        # Section 2.4.
        ([[("commonName", " a ")]], r"CN=\ a\ "),
        ([[("commonName", " ")]], r"CN=\ "),
        ([[("commonName", "#a#")]], r"CN=\#a#"),
        ([[("commonName", "a+b;c<d>e\\f")]], r"CN=a\+b\;c\<d\>e\\f"),
        ([[("commonName", "a\0b")]], r"CN=a\00b"),
        ([[("commonName", "Lučić")]], "CN=Lučić"),
        ([[("emailAddress", "a@b")]], "emailAddress=a@b"),
    ],
)
def test_distinguished_name(subject: Any, name: str) -> None:
    assert distinguished_name(subject) == name


class SslObject:
    """What the extension asks of an ssl.SSLObject."""

    def __init__(self, version: str, cipher: str) -> None:
        self._version, self._cipher = version, cipher

    def version(self) -> str:
        return self._version

    def cipher(self) -> tuple[str, str, int]:
        return self._cipher, self._version, 256

    def getpeercert(self, binary_form: bool = False) -> None:
        return None


@pytest.mark.parametrize(
    ("version", "cipher", "numbers"),
    [
        ("TLSv1.3", "TLS_AES_128_GCM_SHA256", (0x0304, 0x1301)),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", (0x0304, 0x1303)),
        ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", (0x0303, 0xC030)),
        ("TLSv1.2", "AES128-SHA", (0x0303, 0x002F)),
        ("TLSv9", "of the future", (None, None)),
    ],
)
def test_numbers(version: str, cipher: str, numbers: tuple[Any, Any]) -> None:
    transport: Any = FakeTransport(ssl_object=SslObject(version, cipher))
    tls = tls_extension(transport)
    assert (tls["tls_version"], tls["cipher_suite"]) == numbers


def test_a_loop_that_does_not_tell() -> None:
    transport: Any = FakeTransport(sslcontext=object())
    assert tls_extension(transport) == {
        "server_cert": None,
        "client_cert_chain": (),
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": None,
        "cipher_suite": None,
    }

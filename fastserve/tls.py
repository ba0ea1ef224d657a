"""TLS contexts: what the ssl_* settings describe, and certificates read again.

Never: a connection. Which context one gets is for protocols/handshake.py to say.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastserve.config import Config

_CERTIFICATE = re.compile(
    "-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL
)


class FileContext(ssl.SSLContext):
    """A context made from files: its certificate is known, as PEM, if one is there.

    The ssl module does not tell which certificates a context holds.
    """

    certificate: str | None = None


def create_ssl_context(
    certfile: str | os.PathLike[str],
    keyfile: str | os.PathLike[str] | None,
    password: str | None,
    ssl_version: int,
    cert_reqs: int,
    ca_certs: str | os.PathLike[str] | None,
    ciphers: str | None,
    alpn_protocols: list[str] | None = None,
) -> ssl.SSLContext:
    """A server's context; its arguments and their order are uvicorn's.

    Raises OSError, of which ssl.SSLError is one, for files that cannot be read or
    used and for unknown ciphers, ValueError for unknown numbers.
    """
    for path in (certfile, keyfile, ca_certs):
        if path:
            open(path, "rb").close()  # ssl's own error would not name the file
    context = FileContext(ssl_version)
    # None, and OpenSSL asks on the terminal if the key is an encrypted one.
    get_password = None if password is None else lambda: password
    context.load_cert_chain(certfile, keyfile, get_password)
    context.verify_mode = ssl.VerifyMode(cert_reqs)
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if ciphers:
        context.set_ciphers(ciphers)
    if alpn_protocols:
        context.set_alpn_protocols(alpn_protocols)
    text = Path(certfile).read_text(encoding="utf-8", errors="replace")
    if found := _CERTIFICATE.search(text):
        context.certificate = found[0]
    return context


def make_context(config: Config, password: str | None = None) -> ssl.SSLContext | None:
    """What config's ssl_* settings and its factory describe; None without TLS.

    `password` is for a key whose own is not among the settings. Raises what
    `create_ssl_context` and the factory do, RuntimeError without a certificate, and
    TypeError for a factory that returns something else.
    """

    def default_factory() -> ssl.SSLContext:
        if not config.ssl_certfile:
            raise RuntimeError(
                "A default TLS context requires `ssl_certfile`: set it, or let "
                "`ssl_context_factory` make a context without the default one."
            )
        return create_ssl_context(
            config.ssl_certfile,
            config.ssl_keyfile,
            config.ssl_keyfile_password or password,
            config.ssl_version,
            config.ssl_cert_reqs,
            config.ssl_ca_certs,
            config.ssl_ciphers,
            # Not there yet in a Config that is only checked.
            getattr(vars(config).get("http_protocol_class"), "alpn_protocols", None),
        )

    if not config.is_ssl:
        return None
    if config.ssl_context_factory is None:
        return default_factory()
    context: object = config.ssl_context_factory(config, default_factory)
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(
            "`ssl_context_factory` must return an `ssl.SSLContext`, got "
            f"{type(context).__name__}"
        )
    if isinstance(context, FileContext):
        context.certificate = None  # the factory may have loaded others
    return context


def read_again(config: Config) -> None:
    """Have new handshakes use the certificates that the files hold now.

    Connections go on with what they have. Raises what `make_context` does, and
    RuntimeError where the settings name none; then everything stays as it was.
    """
    # No password: an encrypted key is an error, not a question on the terminal.
    fresh = make_context(config, password="")
    if fresh is None:
        raise RuntimeError("the settings name no certificate.")
    live = config.ssl
    if live is None or config.ssl_context_factory is not None or config.ssl_ca_certs:
        # A context cannot be made to forget a CA that it has been told to trust.
        config.ssl = fresh
        return
    assert config.ssl_certfile is not None
    with contextlib.suppress(OSError):  # the files may have changed since
        live.load_cert_chain(
            config.ssl_certfile,
            config.ssl_keyfile,
            lambda: config.ssl_keyfile_password or "",
        )
    if isinstance(live, FileContext) and isinstance(fresh, FileContext):
        live.certificate = fresh.certificate
    if _shown_by(live) != _shown_by(fresh):
        # It keeps one certificate of each kind of key, or has lost its own.
        config.ssl = fresh


def _shown_by(context: ssl.SSLContext) -> bytes | None:
    """The certificate that a client meets, by a handshake in memory; None: no such."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server) * 3:
        with contextlib.suppress(ssl.SSLError):  # of which "wants to read" is one
            side.do_handshake()
    try:
        return client.getpeercert(binary_form=True)
    except ValueError:  # the handshake did not come so far
        return None

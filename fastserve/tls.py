"""TLS contexts: what the ssl_* settings describe, and certificates read again.

Never: a connection. Which context one gets is for protocols/handshake.py to say.
"""

from __future__ import annotations

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
    context = ssl.SSLContext(ssl_version)
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
    return context


def read_again(config: Config) -> None:
    """Have new handshakes use the certificates that the files hold now.

    Connections go on with what they have. Raises what `make_context` does; then
    everything stays as it was.
    """
    # No password: an encrypted key is an error, not a question on the terminal.
    fresh = make_context(config, password="")
    live = config.ssl
    if live is None or config.ssl_context_factory is not None or config.ssl_ca_certs:
        # A context cannot be made to forget a CA that it has been told to trust.
        config.ssl = fresh
        return
    assert config.ssl_certfile is not None
    try:
        live.load_cert_chain(
            config.ssl_certfile,
            config.ssl_keyfile,
            lambda: config.ssl_keyfile_password or "",
        )
    except OSError:
        # Written to since: the live context has no certificate now, the fresh one has.
        config.ssl = fresh


def server_certificate(config: Config) -> str | None:
    """The certificate that clients are shown, as PEM; None if it is not known.

    The ssl module does not tell which one a context uses: only without a factory it
    is certain, the first in the file.
    """
    if config.ssl_certfile is None or config.ssl_context_factory is not None:
        return None
    text = Path(config.ssl_certfile).read_text(encoding="utf-8", errors="replace")
    found = _CERTIFICATE.search(text)
    return found[0] if found else None

"""The ASGI `tls` extension: what an application is told of a connection's TLS.

Asked once a connection, from the ssl module's public parts alone. What they cannot
tell is None, or left out of the chain: before Python 3.13 the intermediate
certificates that a client sends.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import Any

_VERSIONS = {
    "SSLv3": 0x0300,
    "TLSv1": 0x0301,
    "TLSv1.1": 0x0302,
    "TLSv1.2": 0x0303,
    "TLSv1.3": 0x0304,
}

# RFC 4514 section 3; other attributes keep OpenSSL's long names, LDAP's as well.
_SHORT_NAMES = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


def tls_extension(transport: asyncio.BaseTransport) -> dict[str, Any]:
    """scope["extensions"]["tls"] of the requests on a TLS transport."""
    extension: dict[str, Any] = {
        # Known of a context that was made from files, fastserve.tls.FileContext.
        "server_cert": getattr(
            transport.get_extra_info("sslcontext"), "certificate", None
        ),
        "client_cert_chain": (),
        "client_cert_name": None,
        # A client whose certificate fails verification does not get this far.
        "client_cert_error": None,
        "tls_version": None,
        "cipher_suite": None,
    }
    ssl_object = transport.get_extra_info("ssl_object")
    if ssl_object is not None:  # a loop need not tell
        extension["client_cert_chain"] = _client_chain(ssl_object)
        extension["client_cert_name"] = _client_name(ssl_object)
        extension["tls_version"] = _VERSIONS.get(ssl_object.version())
        extension["cipher_suite"] = _cipher_suites().get(ssl_object.cipher()[0])
    return extension


def _client_chain(ssl_object: ssl.SSLObject) -> tuple[str, ...]:
    if (own := ssl_object.getpeercert(binary_form=True)) is None:
        return ()
    # Since Python 3.13, and its first is the client's own.
    get_chain = getattr(ssl_object, "get_unverified_chain", None)
    chain = get_chain() if get_chain is not None else [own]
    return tuple(map(ssl.DER_cert_to_PEM_cert, chain))


def _client_name(ssl_object: ssl.SSLObject) -> str | None:
    certificate = ssl_object.getpeercert()
    return distinguished_name(certificate["subject"]) if certificate else None


def distinguished_name(subject: Any) -> str:
    """The ssl module's form of a subject as an RFC 4514 string, last part first."""
    return ",".join(
        "+".join(
            f"{_SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in part
        )
        for part in reversed(subject)
    )


def _escape(value: str) -> str:
    """RFC 4514 section 2.4."""
    escaped = "".join(
        "\\00" if char == "\0" else f"\\{char}" if char in '"+,;<>\\' else char
        for char in value
    )
    if escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return f"\\{escaped}" if escaped.startswith((" ", "#")) else escaped


@functools.cache
def _cipher_suites() -> dict[str, int]:
    """The 16-bit numbers of all suites that this OpenSSL has, by its names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:COMPLEMENTOFALL")
    return {each["name"]: each["id"] & 0xFFFF for each in context.get_ciphers()}

"""Certificates for tests, made by trustme: an authority, and files that it signs.

    authority = Authority(folder)
    settings = authority.server()            # for fastserve.Config, as keywords
    client = authority.secure(site.connect())

Nothing outlives the folder, and no test talks to a name that is not local.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import trustme

from .client import Client

NAME = "localhost"


class Authority:
    """A certificate authority of its own; `file` is what clients and servers trust."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self._name = name
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(
        self, name: str = "server", key_type: trustme.KeyType = trustme.KeyType.ECDSA
    ) -> dict[str, Any]:
        """A server's certificate and key in files of that name; overwrites them."""
        return self._issue(name, NAME, "127.0.0.1", key_type=key_type)

    def client(self, common_name: str, name: str = "client") -> dict[str, Any]:
        return self._issue(name, f"{name}.test", common_name=common_name)

    def client_of_another(self, common_name: str) -> dict[str, Any]:
        """From an authority that this one has signed: the chain has two in it."""
        between = self._ca.create_child_ca()
        return self._issue("far", "far.test", ca=between, common_name=common_name)

    def _issue(
        self, name: str, *identities: str, ca: trustme.CA | None = None, **more: Any
    ) -> dict[str, Any]:
        leaf = (ca or self._ca).issue_cert(*identities, **more)
        certificate = self._folder / f"{name}-cert.pem"
        key = self._folder / f"{name}-key.pem"
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        certificate.write_bytes(chain)
        key.write_bytes(leaf.private_key_pem.bytes())
        return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}

    def context(self, client: dict[str, Any] | None = None) -> ssl.SSLContext:
        """A client's, which trusts this authority alone."""
        context = ssl.create_default_context(cafile=str(self.file))
        if client is not None:
            context.load_cert_chain(client["ssl_certfile"], client["ssl_keyfile"])
        return context

    def secure(
        self, client: Client, context: ssl.SSLContext | None = None
    ) -> Client:
        """The same client, from now on over TLS."""
        context = context or self.context()
        client.sock = context.wrap_socket(client.sock, server_hostname=NAME)
        return client


def options(settings: dict[str, Any]) -> list[str]:
    """Config's settings as command line options."""
    return [
        part
        for name, value in settings.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]


def pem_of(client: Client) -> str:
    """The certificate that the server has shown to this client."""
    assert isinstance(client.sock, ssl.SSLSocket)
    shown = client.sock.getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)

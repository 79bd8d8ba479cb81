"""Fixtures for TLS: a certificate of localhost, and a context for each role."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "certificate",
    "client_tls",
    "for_blocking_client",
    "make_certificate",
    "server_tls",
    "serving",
    "trusting",
]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key, in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(folder: Path) -> Path:
    """The same, in a file of *folder*."""
    made, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    both.write_text(made.read_text() + key.read_text())
    return both


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    return serving(certificate)


def serving(certificate: Path) -> ssl.SSLContext:
    """What a server of *certificate* needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    """Trusts the certificate of `server_tls` and no other."""
    return trusting(certificate)


def trusting(certificate: Path) -> ssl.SSLContext:
    """What a client needs that trusts *certificate* and no other."""
    return ssl.create_default_context(cafile=str(certificate))


def for_blocking_client(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make *context* one for the blocking client of websockets, which is not safe on TLS 1.3.

    A thread of it reads the server's session tickets from an SSL object while another one sends the
    request by it; about one of 300 handshakes ends by that, whatever the server is.
    """
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context

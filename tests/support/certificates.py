"""Certificates for servers of the tests, signed by an authority of the test."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.unprivileged import give


def make_certificates(
    directory: Path, *, name: str = "127.0.0.1", valid_days: int = 30, client: str | None = None
) -> Path:
    """Write server.crt, server.key (the server's) and ca.crt (returned), signed by an authority of this test.

    With ``client`` also client.crt and client.key, which log in that role.
    """
    now = dt.datetime.now(dt.UTC)

    def certificate(
        subject: str, issuer: str, key: Any, signer: Any, *extensions: tuple[Any, bool]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=valid_days))
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(signer, hashes.SHA256())

    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate(
        "test", "test", authority_key, authority_key, (x509.BasicConstraints(ca=True, path_length=0), True)
    )
    try:
        named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        named = x509.DNSName(name)
    own = certificate(name, "test", server_key, authority_key, (x509.SubjectAlternativeName([named]), False))
    (directory / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (directory / "server.crt").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    key = directory / "server.key"
    key.touch(mode=0o600)
    key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    give(key)
    give(directory / "server.crt")
    if client is not None:
        client_key = ec.generate_private_key(ec.SECP256R1())
        signed = certificate(client, "test", client_key, authority_key)
        (directory / "client.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        path = directory / "client.key"
        path.touch(mode=0o600)
        path.write_bytes(
            client_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return directory / "ca.crt"

"""A small RFC 3161 authority of a test's own: openssl signs, an HTTP server on a free port of this machine answers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

_CONFIG = """
[tsa]
default_tsa = t
[t]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Where it answers, and the certificate that a reader trusts (PEM)."""

    address: str
    certificate: Path


@contextmanager
def authority(place: Path, name: str = "authority") -> Iterator[Authority]:
    """Run one below ``place``."""
    home = place / name
    home.mkdir()
    (home / "c.cnf").write_text(_CONFIG)
    (home / "serial").write_text("01\n")
    _make(home, "root", "ca", [])
    _make(home, "tsa", "leaf", ["-CA", "root.pem", "-CAkey", "root.key"])

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (home / "q.tsq").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            _openssl(home, "ts", "-reply", "-queryfile", "q.tsq", "-config", "c.cnf", "-section", "t", "-out", "a.tsr")
            self.send_response(200)
            self.end_headers()
            self.wfile.write((home / "a.tsr").read_bytes())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Authority(address=f"http://127.0.0.1:{server.server_port}/", certificate=home / "root.pem")
        finally:
            server.shutdown()
            thread.join()


def _make(home: Path, name: str, extensions: str, signed_by: list[str]) -> None:
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    words += ["-config", "c.cnf", "-extensions", extensions, "-subj", f"/CN={home.name} {name}"]
    _openssl(home, *words, "-keyout", f"{name}.key", "-out", f"{name}.pem", *signed_by)


def _openssl(home: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)

"""Where a MariaDB database is and how one logs in; the password is asked for when it is needed, and never shown."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from drorch.errors import SecretUnavailable, SourceUnreachable, UsageInvalid
from drorch.policy.url import split_url
from drorch.sources.mariadb.option_file import read_option_file

USUAL_PORT = 3306
TLS_MODES = ("verify-full", "require", "none")
_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108 - where servers put them
_WORDS = ("user", "socket", "tls", "tls_authority", "option_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbLocation:
    """One database on one server. What is ``None`` comes from the option file, else it is what MariaDB's own programs take.

    Without a host the server's Unix socket is used, where TLS does not apply. ``tls`` is ``verify-full`` (the
    certificate is good and names the host), ``require`` (encrypted, to whomever) or ``none``.
    """

    database: str
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    option_file: Path | None = None
    tls: str = "verify-full"
    tls_authority: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether the server is reached through a Unix socket."""
        return self.host is None or self.host.startswith("/")

    @property
    def address(self) -> str:
        """What is shown to people."""
        name = quote(self.database)
        if self.is_local:
            socket = self.socket or self.host
            return f"mariadb:///{name}" + (f"?socket={socket}" if socket else "")
        port = f":{self.port}" if self.port not in (None, USUAL_PORT) else ""
        host = f"[{self.host}]" if ":" in (self.host or "") else self.host
        return f"mariadb://{host}{port}/{name}"

    def of_database(self, name: str) -> MariadbLocation:
        """Return the same place with another database."""
        return replace(self, database=name)

    def with_one_question(self) -> MariadbLocation:
        """Return the same place, asking for the password once however many sessions log in."""
        return self if self.password is None else replace(self, password=functools.cache(self.password))

    def resolved(self) -> MariadbLocation:
        """Return the same place with what its option file adds; raise ``SecretUnavailable`` if that cannot be read."""
        if self.option_file is None:
            return self
        found = read_option_file(self.option_file)
        secret = found.get("password")
        port = found.get("port", "")
        if port and not port.isdigit():
            raise SecretUnavailable(f"{self.option_file}: the port is not a number", found=port)
        named = self.socket is not None or self.host is not None

        def path(known: Path | None, key: str) -> Path | None:
            return known or (Path(found[key]) if found.get(key) else None)

        return replace(
            self,
            option_file=None,
            user=self.user or found.get("user"),
            password=self.password or (None if secret is None else lambda: secret),
            host=self.host if named else found.get("host"),
            socket=self.socket if named else found.get("socket"),
            port=self.port or (int(port) if port else None),
            tls_authority=path(self.tls_authority, "ssl-ca"),
            tls_certificate=path(self.tls_certificate, "ssl-cert"),
            tls_key=path(self.tls_key, "ssl-key"),
        )

    def socket_path(self) -> str:
        """Return the Unix socket of a local server; ``host`` may name its directory."""
        if self.socket is not None:
            return self.socket
        if self.host is not None:
            return next((str(path) for path in sorted(Path(self.host).glob("*.sock"))), f"{self.host}/mysqld.sock")
        return next((path for path in _SOCKETS if Path(path).exists()), _SOCKETS[0])

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how the server must prove who it is; ``None`` for no TLS. Raises ``SourceUnreachable``."""
        if self.is_local or self.tls == "none":
            return None
        try:
            authority = None if self.tls_authority is None else str(self.tls_authority)
            context = ssl.create_default_context(cafile=authority)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.tls != "verify-full":
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.tls_certificate is not None:
                context.load_cert_chain(self.tls_certificate, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise SourceUnreachable(
                f"{self.address}: the files for TLS cannot be used",
                found=error.strerror or str(error),
                hint="check tls_authority, and the certificate and key of the option file",
            ) from error
        return context


def parse_location(url: str, *, password: Callable[[], str] | None = None) -> MariadbLocation:
    """Return what ``mariadb://user@host:port/database?socket=/run/...`` means; raise ``UsageInvalid``.

    A password in the URL is refused: it would be in the shell's history and in ``ps``.
    """
    parts = split_url(url)
    if parts.scheme not in ("mariadb", "mysql"):
        raise UsageInvalid("not a MariaDB address", expected="mariadb://user@host:port/database", found=parts.scheme)
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in words:
        raise UsageInvalid(
            "a password does not belong in an address",
            found="a password in the URL",
            hint="give it by --to-password file:PATH, env:NAME or prompt, or by option_file=PATH in the address",
        )
    unknown = [word for word in words if word not in _WORDS]
    if unknown:
        raise UsageInvalid("unknown word in the address", expected=", ".join(_WORDS), found=unknown[0])
    mode = words.get("tls", "verify-full")
    if mode not in TLS_MODES:
        raise UsageInvalid("unknown tls in the address", expected=", ".join(TLS_MODES), found=mode)
    try:
        port = parts.port
    except ValueError as error:
        raise UsageInvalid("the port of the address is not a number from 1 to 65535") from error
    return MariadbLocation(
        host=unquote(parts.hostname) if parts.hostname else None,
        port=port,
        socket=words.get("socket"),
        user=words.get("user") or (unquote(parts.username) if parts.username else None),
        database=unquote(parts.path.lstrip("/")),
        password=password,
        option_file=Path(words["option_file"]) if words.get("option_file") else None,
        tls=mode,
        tls_authority=Path(words["tls_authority"]) if words.get("tls_authority") else None,
    )

"""Where a PostgreSQL database is and how one logs in; the password is asked for when it is needed, and never shown."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from psycopg.pq import Conninfo

from drorch.errors import UsageInvalid
from drorch.policy.url import split_url

TLS_MODES = {"verify-full": "verify-full", "require": "require", "none": "disable"}
_SSL_MODES = {value: key for key, value in TLS_MODES.items()}
_SYSTEM_AUTHORITIES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))
# What libpq takes from the environment to find a server and log in. No PGPASSWORD: a secret is in no child's environment.
VARIABLES = (
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE"),
    *("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGGSSENCMODE", "PGKRBSRVNAME"),
    *("KRB5CCNAME", "KRB5_CONFIG", "KRB5_CLIENT_KTNAME"),
)
_KEEPALIVES = {"keepalives": "1", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "6"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlLocation:
    """One database on one server. What is ``None`` is left to libpq: peer, ``~/.pgpass``, service files.

    ``host`` that starts with ``/`` (or none) is a Unix socket, where TLS does not apply. ``tls`` is
    ``verify-full``, ``require`` or ``none``.
    """

    database: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    tls: str = "verify-full"
    tls_authority: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    service: str | None = None
    password_file: Path | None = None
    variables: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # those of ``VARIABLES``: a child sees no others

    @property
    def is_local(self) -> bool:
        """Whether the server is reached through a Unix socket."""
        return (self.host is None and self.service is None) or (self.host or "").startswith("/")

    @property
    def address(self) -> str:
        """What is shown to people."""
        if self.service is not None:
            return f"postgresql:///{quote(self.database)}?service={quote(self.service)}"
        if self.is_local:
            return f"postgresql:///{quote(self.database)}" + (f"?host={self.host}" if self.host else "")
        port = f":{self.port}" if self.port not in (None, 5432) else ""
        host = f"[{self.host}]" if ":" in (self.host or "") else self.host
        return f"postgresql://{host}{port}/{quote(self.database)}"

    def of_database(self, name: str) -> PostgresqlLocation:
        """Return the same place with another database."""
        return replace(self, database=name)

    def with_one_question(self) -> PostgresqlLocation:
        """Return the same place, asking for the password once however many sessions log in."""
        return self if self.password is None else replace(self, password=functools.cache(self.password))

    def keywords(self, *, application: str, connect_timeout_seconds: int) -> dict[str, str]:
        """Return libpq's keywords, without the password."""
        words: dict[str, str | None] = {
            "service": self.service,
            "host": self.host,
            "port": None if self.port is None else str(self.port),
            "user": self.user,
            "dbname": self.database,
            "passfile": None if self.password_file is None else str(self.password_file),
            "application_name": application,
            "connect_timeout": str(connect_timeout_seconds),
            **self._tls_keywords(),
        }
        if (self.host or "").startswith("/"):
            words["hostaddr"] = ""  # or somebody's PGHOSTADDR would lead from this socket to another server
        if not self.is_local:
            words.update(_KEEPALIVES)
        return {key: value for key, value in words.items() if value is not None}

    def _tls_keywords(self) -> dict[str, str | None]:
        if self.is_local:
            return {}
        words = {"sslmode": TLS_MODES[self.tls]}
        authority = self.tls_authority or (_default_authority() if self.tls == "verify-full" else None)
        return words | {
            "sslrootcert": None if authority is None else str(authority),
            "sslcert": None if self.tls_certificate is None else str(self.tls_certificate),
            "sslkey": None if self.tls_key is None else str(self.tls_key),
        }


def _default_authority() -> Path | None:
    """Return the machine's list of authorities, unless the account has its own (then libpq takes that)."""
    try:
        own = Path("~/.postgresql/root.crt").expanduser()
        if own.exists():
            return None
    except (OSError, RuntimeError):
        pass  # no home directory: a service
    return next((path for path in _SYSTEM_AUTHORITIES if path.exists()), None)


def connection_string(keywords: dict[str, str]) -> str:
    """Return libpq's ``key='value'`` string."""
    return " ".join(
        f"{key}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
        for key, value in keywords.items()
    )


def parse_location(url: str, *, password: Callable[[], str] | None = None) -> PostgresqlLocation:
    """Return what ``postgresql://user@host:port/database?host=/socket`` means; raise ``UsageInvalid``.

    A password in the URL is refused: it would be in the shell's history and in ``ps``.
    """
    parts = split_url(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise UsageInvalid(
            "not a PostgreSQL address", expected="postgresql://user@host:port/database", found=parts.scheme
        )
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in words:
        raise UsageInvalid(
            "a password does not belong in an address",
            found="a password in the URL",
            hint="give it by --to-password file:PATH, env:NAME or prompt, or by ~/.pgpass",
        )
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for word in words:
        if word not in _WORDS:
            found = f"{word} (libpq knows it, drorch does not pass it on)" if word in known else word
            raise UsageInvalid("unknown word in the address", expected=", ".join(sorted(_WORDS)), found=found)
    return _located(
        parts.hostname,
        _port(url, words),
        unquote(parts.username) if parts.username else None,
        parts.path,
        words,
        password,
    )


_WORDS = ("host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "service", "passfile")


def _port(url: str, words: dict[str, str]) -> int | None:
    try:
        return int(words["port"]) if "port" in words else split_url(url).port
    except ValueError as error:
        raise UsageInvalid("the port of the address is not a number from 1 to 65535") from error


def _located(
    host: str | None,
    port: int | None,
    user: str | None,
    path: str,
    words: dict[str, str],
    password: Callable[[], str] | None,
) -> PostgresqlLocation:
    def file(word: str) -> Path | None:
        return Path(words[word]) if words.get(word) else None

    mode = words.get("sslmode", "verify-full")
    if mode not in _SSL_MODES:
        raise UsageInvalid("unknown sslmode in the address", expected=", ".join(sorted(_SSL_MODES)), found=mode)
    return PostgresqlLocation(
        host=words.get("host") or (unquote(host) if host else None),
        port=port,
        user=words.get("user") or user,
        database=words.get("dbname") or unquote(path.lstrip("/")),
        password=password,
        tls=_SSL_MODES[mode],
        tls_authority=file("sslrootcert"),
        tls_certificate=file("sslcert"),
        tls_key=file("sslkey"),
        service=words.get("service"),
        password_file=file("passfile"),
    )

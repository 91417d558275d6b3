"""Make the client: endpoint, style, time-outs, and every default of boto3 that a backup must not inherit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

from drorch.errors import StoreDenied, StoreMissing

SERVICES = ("s3", "sts", "sso", "sso-oidc", "signin")

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)

# boto3 makes the class of its clients at run time: there is no type to name.
S3Client: TypeAlias = Any


class _FewServices(Loader):  # type: ignore[misc]  # boto3 has no types
    """Knows S3 and what gives credentials for it: to list the four hundred services of boto3 takes longer than to make the client."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the same for each type
        """See ``Loader``."""
        return [*SERVICES]


def connect(
    *,
    endpoint: str | None,
    region: str | None,
    access_key: str | None,
    secret_key: str | None,
    session_token: str | None,
    path_style: bool | None,
    ca_bundle: Path | None,
    connect_timeout_seconds: float,
    read_timeout_seconds: float,
    max_connections: int,
) -> S3Client:
    """Return a client; nothing is sent yet. Without keys the standard chain of AWS is asked when first needed.

    Raises what boto3 raises (``failures.our_errors`` stands around it), ``StoreMissing`` for an endpoint that is
    none, and ``StoreDenied`` for half a credential.
    """
    check_endpoint(endpoint)
    if (access_key is None) != (secret_key is None):
        raise StoreDenied("only half of the credential is given", expected="access_key and secret_key, or neither")
    configuration = Config(
        connect_timeout=connect_timeout_seconds,
        read_timeout=read_timeout_seconds,
        max_pool_connections=max_connections,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": 1},  # RetryingStore does that, and counts
        request_checksum_calculation="when_required",  # many providers refuse the trailers of the default
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,  # a profile of the host must not redirect backups
        s3={
            "addressing_style": _style(endpoint, path_style=path_style),
            # TLS protects the body already: signing it would hash 16 MiB once more for each pack.
            "payload_signing_enabled": not uses_tls(endpoint),
        },
    )
    session = boto3.session.Session(
        botocore_session=core_session(),
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
    )
    return session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region or (None if endpoint is None else "us-east-1"),  # what compatible servers take
        verify=None if ca_bundle is None else str(ca_bundle),
        config=configuration,
    )


def core_session() -> Any:
    """Return a session of botocore that makes clients of ``SERVICES``."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _FewServices())
    return session


def uses_tls(endpoint: str | None) -> bool:
    """Whether requests travel encrypted; those to AWS itself always do."""
    return endpoint is None or endpoint.lower().startswith("https:")


def check_bucket(bucket: str) -> None:
    """Raise ``StoreMissing`` unless ``bucket`` could be the name of one."""
    if _BUCKET.fullmatch(bucket) is None:
        raise StoreMissing("not the name of a bucket", expected="letters, digits, '-' and '.'", found=bucket[:80])


def check_endpoint(endpoint: str | None) -> None:
    """Raise ``StoreMissing`` unless ``endpoint`` is the address of a server, without a password in it."""
    if endpoint is None:
        return
    try:
        parts = urlsplit(endpoint)
        is_server = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # brackets that do not close, a port beyond 65535
        raise StoreMissing(
            "not the address of an S3 server", expected="https://HOST[:PORT]", found="another"
        ) from error
    if not is_server or parts.path.strip("/") or parts.query:
        raise StoreMissing(
            "not the address of an S3 server", expected="https://HOST[:PORT]", found=parts.hostname or ""
        )
    if parts.username is not None or parts.password is not None:
        raise StoreMissing(
            "the endpoint of an S3 store holds a user name or password",
            expected="https://HOST[:PORT]",
            hint="give access_key and secret_key by reference instead",
        )


def _style(endpoint: str | None, *, path_style: bool | None) -> str:
    if path_style is None:
        return "auto" if endpoint is None else "path"  # few servers of one's own have a name for each bucket
    return "path" if path_style else "virtual"

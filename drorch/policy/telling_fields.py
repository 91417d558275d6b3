"""The field tables of drorch.yaml about who is told: notifications, and a dead man's switch."""

from __future__ import annotations

from drorch.policy.alert_words import WHEN_WORDS
from drorch.policy.fields import Field, ListOf, Table
from drorch.policy.installation import Heartbeat, Notification
from drorch.policy.installation_kinds import parse_minute
from drorch.policy.kinds import Choice, Text
from drorch.policy.parsed_kinds import Parsed, SecretKind, duration

NOTIFICATION = Table(
    build=lambda **values: Notification(name="", **values),
    fields=(
        Field(key="url", kind=SecretKind(), summary="Where the address lies", required=True),
        Field(
            key="when",
            kind=ListOf(item=Choice(options=WHEN_WORDS)),
            summary="Which alerts: codes, or error, warning, info; left out: errors and warnings",
            default=(),
        ),
        Field(
            key="after",
            attribute="after_seconds",
            kind=duration("0s", "365d"),
            summary="Only when it lasts so long",
            absent=0,
        ),
        Field(
            key="owners",
            kind=ListOf(item=Text(longest=200)),
            summary="Only of sources of these owners; `*` stands for anything",
            default=(),
        ),
        Field(
            key="digest",
            attribute="digest_minute",
            kind=Parsed(
                parse=parse_minute,
                errors=(ValueError,),
                meaning="a time of day; write it as `07:00`",
                schema_pattern=r"^\s*([01][0-9]|2[0-3]):[0-5][0-9]\s*$",
            ),
            summary="A summary once a day at this time",
        ),
    ),
)

HEARTBEAT = Table(
    build=Heartbeat,
    fields=(
        Field(key="url", kind=SecretKind(), summary="Where the address lies that is pinged", required=True),
        Field(
            key="every",
            attribute="every_seconds",
            kind=duration("1m", "1d"),
            summary="How often the daemon pings it",
            default="5m",
        ),
    ),
)

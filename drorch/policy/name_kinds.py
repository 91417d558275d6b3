"""What names look like: of policies, of sources, and the addresses made of both."""

from __future__ import annotations

from drorch.policy.kinds import Text

name_kind = Text(
    longest=63, pattern=r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", meaning="a name; names are made of `a-z 0-9 -`"
)
source_name_kind = Text(
    longest=128, pattern=r"[a-z0-9][a-z0-9._-]*", meaning="a source's name; these are made of `a-z 0-9 - _ .`"
)
address_kind = Text(
    longest=200,
    pattern=r"[a-z0-9][a-z0-9-]*(?:/[a-z0-9%][a-z0-9%._-]*)?",
    meaning="a policy or `POLICY/NAME`",
)

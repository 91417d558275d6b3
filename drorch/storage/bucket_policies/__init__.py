"""What each role may do in a bucket, as IAM policies: JSON files with BUCKET, PREFIX and WRITER to be filled in.

docs/stores/STORES.md explains them, and which providers understand what.
"""

from __future__ import annotations

import re
from importlib.resources import files

from drorch.errors import UsageInvalid

# The policies of a credential, one for each role, and "bucket": what the bucket itself refuses to everybody.
ROLES = ("writer", "maintainer", "drill", "auditor", "bucket")

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9._/-]*", re.ASCII)  # nothing that means something in a policy: * ? $
_WRITER = re.compile(r"[0-9a-f]{12}", re.ASCII)


def bucket_policy(role: str, *, bucket: str, prefix: str = "", writer: str = "") -> str:
    """Return the policy of ``role`` as JSON; ``writer`` is the first six bytes of the writer's key id in hexadecimal.

    Raises ``UsageInvalid``.
    """
    if role not in ROLES:
        raise UsageInvalid("no such role", expected=", ".join(ROLES), found=role[:80])
    for what, value, pattern in (("bucket", bucket, _BUCKET), ("prefix", prefix, _PREFIX)):
        if pattern.fullmatch(value) is None:
            raise UsageInvalid(f"not a {what} that a policy can name", expected=pattern.pattern, found=value[:80])
    if role == "writer" and _WRITER.fullmatch(writer) is None:
        raise UsageInvalid("not the beginning of a key id", expected="12 hexadecimal digits", found=writer[:80])
    folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    values = {"PREFIX/": folder, "BUCKET": bucket, "WRITER": writer}
    text = files(__package__).joinpath(f"{role}.json").read_text(encoding="utf-8")
    return re.sub("PREFIX/|BUCKET|WRITER", lambda match: values[match[0]], text)

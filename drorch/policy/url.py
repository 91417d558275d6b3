"""Addresses that people type, taken apart."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit

from drorch.errors import UsageInvalid


def split_url(url: str) -> SplitResult:
    """Return the parts of an address; raise ``UsageInvalid``, which repeats nothing of it: what stands before the @ may be a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or "\0" in unquote(url):
        raise UsageInvalid(
            "the address cannot be read",
            expected="SCHEME://HOST/NAME, an IPv6 address in brackets: [2001:db8::1]",
            found="brackets that do not close, or a character that no address has",
        )
    return parts


def without_login(url: str) -> str:
    """Return an address as it may be shown: what stands before the last @ may be a password."""
    return url if "@" not in url else f"...@{url.rpartition('@')[2]}"

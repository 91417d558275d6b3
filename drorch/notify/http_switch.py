"""Pings of a dead man's switch such as healthchecks.io, by one GET."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from drorch.errors import NotificationFailed
from drorch.policy.secret import Secret


class HttpSwitch:
    """See ``Switch``."""

    def ping(self, address: Secret, *, timeout_seconds: float) -> None:
        """See ``Switch``."""
        text = address.text()
        if not text.startswith(("https://", "http://")):
            raise NotificationFailed("the address of the heartbeat is none", expected="http:// or https://")
        try:
            with urllib.request.urlopen(text, timeout=timeout_seconds) as answer:  # noqa: S310 - checked above
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            raise NotificationFailed("the heartbeat was not taken", found=f"answer {error.code}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:  # its text may hold the address
            raise NotificationFailed("the heartbeat was not taken", found=type(error).__name__) from None

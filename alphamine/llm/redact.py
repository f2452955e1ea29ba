"""Nothing secret leaves in an error or a record."""

from __future__ import annotations

import re
from typing import Final

_SECRETS: Final = re.compile(
    r"(sk-[A-Za-z0-9_\-]{8,}|Bearer\s+[A-Za-z0-9._\-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
)
_MASK: Final = "[redacted]"


def redacted(text: str, *secrets: str) -> str:
    """A text without keys: those given, and whatever looks like one."""
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, _MASK)
    return _SECRETS.sub(_MASK, text)

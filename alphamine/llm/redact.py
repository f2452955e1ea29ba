"""What leaves in an error, a request or a record: no keys, and nothing that UTF-8 cannot hold."""

from __future__ import annotations

import re
from typing import Final

_MASK: Final = "[redacted]"
# "risk-adjusted" is no key, but what follows an escaped line break in JSON may be one. Each begins
# with letters to look for: alternatives in one pattern would be tried at every character.
_SECRETS: Final = (
    (re.compile(r"sk-(?:(?<![A-Za-z0-9]sk-)|(?<=\\[bfnrt]sk-))[A-Za-z0-9_\-]{8,}"), _MASK),
    (re.compile(r"Bearer(?<![A-Za-z0-9]Bearer)\s+[A-Za-z0-9._\-]{8,}"), _MASK),
    (re.compile(r"://[^/\s:@\"]+:[^/\s@\"]+(?=@)"), f"://{_MASK}"),
)


def redacted(text: str, *secrets: str) -> str:
    """A text without keys: those given, and whatever looks like one.

    Halves of surrogate pairs, which JSON can hold and UTF-8 cannot, become U+FFFD.
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, _MASK)
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return text

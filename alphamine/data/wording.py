"""Words of others, cut to what fits into a message of one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 200
_NAMES: Final = 12


def brief(error: object) -> str:
    """What an error of another library says, on one line of bounded length."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def listing(names: Iterable[str]) -> str:
    """The first few names, and how many there are in all."""
    known = list(names)
    shown = ", ".join(name if len(name) <= 40 else f"{name[:40]}..." for name in known[:_NAMES])
    return shown if len(known) <= _NAMES else f"{shown}, ... ({len(known)} in all)"

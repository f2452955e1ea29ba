"""Numbers and mappings as JSON text, the same for every table of a run and for pools."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

_STRICT: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode(value: Any) -> str:
    """JSON without NaN and infinities, which become null."""
    try:
        return _STRICT.encode(value)
    except ValueError:  # most values are finite, and looking at each first would take longer
        return _STRICT.encode(finite(value))


def undefined(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as it was before `encode`: null is NaN again."""
    return {key: math.nan if value is None else value for key, value in mapping.items()}


def finite(value: Any) -> Any:
    """The value with NaN and infinities replaced by None, in mappings and sequences too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value

"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def console(stderr: bool = False) -> Console:
    """A console; data never becomes markup, and wide tables are not cut when piped."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout; NaN is not JSON, so it must have become null before."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def percent(share: float | None) -> str:
    """A share in per cent, or a dash where there is none."""
    return "-" if share is None or math.isnan(share) else f"{share:.1%}"


def count(value: float) -> str:
    """A rounded mean count, or a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.0f}"


def number(value: float | None, digits: int = 4) -> str:
    """A signed number, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:+.{digits}f}"

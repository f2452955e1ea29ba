"""The time of day, for the record only: what a run does never depends on it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The time as a person reads it, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

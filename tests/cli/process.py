"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

Cli = Callable[..., subprocess.CompletedProcess[str]]


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The message of a refused request; nothing else may have been printed."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def document(result: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    """The one JSON document on stdout."""
    assert result.returncode == code, result.stderr
    parsed = json.loads(result.stdout)
    assert isinstance(parsed, dict)
    return parsed

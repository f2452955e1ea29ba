"""Environments with nothing but what tests name: made once, kept in build/."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "environments"


def environment(name: str, *installs: list[str]) -> str:
    """The Python of an environment, made with these arguments of `pip install`, one call each.

    A test is skipped, and says so, where they cannot be installed.
    """
    key = hashlib.sha256(repr((sys.version_info[:2], installs)).encode()).hexdigest()[:8]
    folder = FOLDER / f"{name}-{key}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        for packages in installs:
            done = subprocess.run(
                [str(python), "-m", "pip", "install", "-q", *packages],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                shutil.rmtree(folder)
                pytest.skip(f"{packages} cannot be installed: {done.stderr.splitlines()[-1:]}")
        (folder / "complete").touch()
    return str(python)


def run(python: str, *arguments: object, cwd: Path | None = None, **variables: str) -> str:
    """What a program printed; it must end well."""
    done = subprocess.run(
        [python, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-4000:]}"
    return done.stdout

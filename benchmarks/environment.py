"""The machine's facts, and an environment for the peers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# torch comes first: what depends on it must not choose another build.
PEERS = (
    ("torch==2.13.0",),
    ("numpy", "pandas", "polars", "bottleneck", "numbagg", "KunQuant"),
)


def peer_python(folder: Path, packages: Sequence[Sequence[str]] = PEERS) -> Path:
    """The interpreter of the peers' environment, which is made from the package index if absent."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        print(f"installing the peers into {folder.name}/ ...", flush=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        for group in packages:
            _run([str(python), "-m", "pip", "install", "--quiet", *group])
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def machine() -> dict[str, Any]:
    """What figures depend on; no names or paths of the machine."""
    facts = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    lines = dict(
        (part.strip() for part in line.split(":", 1)) for line in facts.splitlines() if ":" in line
    )
    flags = lines.get("flags", "").split()
    wide = [f for f in ("avx2", "avx512f", "avx512vl") if f in flags]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if facts else 0
    return {
        "processor": lines.get("model name", platform.processor()),
        "family": lines.get("cpu family", ""),
        "model": lines.get("model", ""),
        "cores": len(os.sched_getaffinity(0)) if facts else os.cpu_count(),
        "vectors": " ".join(wide) or "none known",
        "cache": lines.get("cache size", ""),
        "memory_gib": round(pages / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "compiler": compiler(),
        "load_before": [round(x, 2) for x in os.getloadavg()],
    }


def compiler() -> str:
    """First line of what the C++ compiler says of itself."""
    found = shutil.which("g++") or shutil.which("clang++")
    if found is None:
        return "none"
    text = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    return text.stdout.splitlines()[0]

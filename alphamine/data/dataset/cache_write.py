"""Writing the panel cache (see `cache`): everything appears at once, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphamine.data.panel import Panel

from .cache import digest, open_panel, stamp

_SIZE_LIMIT: Final = 20 << 30


def write_json(path: Path, body: Any) -> None:
    """Write JSON with a check sum, all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"check": digest(body), "body": body}, file)
    os.replace(name, path)


def store_panel(panel: Panel, folder: Path) -> Panel:
    """Write the arrays of a panel and open them; the panel itself if another process interferes.

    Raises
    ------
    OSError
        If the cache cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".tmp-"))
    try:
        _write(panel, own)
        for _ in range(3):
            try:
                own.rename(folder)
            except OSError:  # it is there: another writer's, or a damaged one
                if (known := open_panel(folder)) is not None:
                    return known
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _prune(folder)
                break
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return open_panel(folder) or panel


def _write(panel: Panel, folder: Path) -> None:
    items: list[dict[str, Any]] = []

    def save(role: str, arrays: Mapping[str, Any]) -> None:
        for name, array in arrays.items():
            broadcast = array.ndim == 2 and array.strides[0] == 0 and len(array) > 1
            path = folder / f"{len(items):03d}.npy"
            with path.open("wb") as file:
                np.save(file, array[:1] if broadcast else array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())  # a manifest must not outlive arrays that a crash ate
            items.append(
                {
                    "role": role,
                    "name": name,
                    "file": path.name,
                    "rows": len(array) if broadcast else 0,
                    "state": stamp(path.stat()),
                }
            )

    axis = {"dates": panel.dates, "symbols": panel.symbols, "universe": panel.universe}
    save("axis", axis if panel.factor is None else {**axis, "factor": panel.factor})
    save("column", panel.columns)
    save("group", panel.groups)
    save("mask", panel.masks)
    units = {k: u and [u.price, u.share, u.role] for k, u in panel.units.items()}
    write_json(
        folder / "manifest.json",
        {
            "arrays": items,
            "fingerprint": panel.fingerprint,
            "notes": dict(panel.notes),
            "group_names": dict(panel.group_names),
            "units": units,
        },
    )


def _prune(kept: Path) -> None:
    """Drop older states of the same panel, and the least recently used ones above the limit."""
    key = kept.name.partition("-")[0]
    total = 0
    folders = [p for p in kept.parent.iterdir() if not p.name.startswith(".")]
    for folder in sorted(folders, key=_last_use, reverse=True):
        total += sum(f.stat().st_size for f in folder.glob("*.npy"))
        stale = folder.name.startswith(f"{key}-") or total > _SIZE_LIMIT
        if stale and folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process has just dropped it
        return 0.0

"""Opened panels on disk, as arrays that are mapped into memory and read when first touched.

A cached panel is one directory under `panels/`, never changed once it is there; the name holds a
hash of what it was made from (`arrays_key`) and of the state of its input files (`files_state`).
Under `opened/`, one small file per specification text and overrides leads straight to it, so that
opening a known panel parses no YAML and imports nothing heavy.

Every file's size and modification time is in the manifest: a file that was cut off or written to
is noticed, and the panel is built again. Writers fill a directory of their own and rename it, so
readers never see half a panel, and of two writers one wins.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphamine.operators import Unit

from .panel import Panel

FORMAT: Final = 1
_SIZE_LIMIT: Final = 20 << 30
_BROKEN: Final = (OSError, ValueError, KeyError, TypeError, IndexError)


def digest(*parts: Any) -> str:
    """96-bit hexadecimal hash of JSON values."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def files_state(paths: Iterable[Path]) -> str:
    """Hash of the names, sizes and modification times of files (of all files in directories)."""
    return digest([_state(str(path)) for path in paths])


def _state(path: str) -> Any:
    if not os.path.isdir(path):
        status = os.stat(path)
        return [path, status.st_size, status.st_mtime_ns]
    with os.scandir(path) as entries:
        return [path, [_state(entry.path) for entry in sorted(entries, key=lambda e: e.name)]]


def read_json(path: Path) -> Any:
    """A JSON file written by `write_json`; None if it is absent or was damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["body"] if content["check"] == digest(content["body"]) else None
    except _BROKEN:
        return None


def write_json(path: Path, body: Any) -> None:
    """Write JSON with a check sum, all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"check": digest(body), "body": body}, file)
    os.replace(name, path)


def open_panel(folder: Path) -> Panel | None:
    """The panel in a cache directory, mapped into memory; None if absent or damaged."""
    manifest = read_json(folder / "manifest.json")
    if manifest is None:
        return None
    try:
        arrays: dict[str, dict[str, Any]] = {}
        for item in manifest["arrays"]:
            path = folder / item["file"]
            status = path.stat()
            if [status.st_size, status.st_mtime_ns] != item["state"]:
                return None
            array: Any = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            if item["rows"]:
                array = np.broadcast_to(array, (item["rows"], array.shape[1]))
            arrays.setdefault(item["role"], {})[item["name"]] = array
        os.utime(folder)  # the least recently used panel goes first
        return Panel(
            dates=arrays["axis"]["dates"], symbols=arrays["axis"]["symbols"],
            columns=arrays["column"], universe=arrays["axis"]["universe"],
            groups=arrays.get("group", {}), masks=arrays.get("mask", {}),
            factor=arrays["axis"].get("factor"), fingerprint=manifest["fingerprint"],
            group_names={k: tuple(v) for k, v in manifest["group_names"].items()},
            units={k: None if v is None else Unit(*v) for k, v in manifest["units"].items()},
            notes=manifest["notes"],
        )  # fmt: skip
    except _BROKEN:
        return None


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
            np.save(path, array[:1] if broadcast else array, allow_pickle=False)
            status = path.stat()
            items.append({
                "role": role, "name": name, "file": path.name,
                "rows": len(array) if broadcast else 0,
                "state": [status.st_size, status.st_mtime_ns],
            })  # fmt: skip

    axis = {"dates": panel.dates, "symbols": panel.symbols, "universe": panel.universe}
    save("axis", axis if panel.factor is None else {**axis, "factor": panel.factor})
    save("column", panel.columns)
    save("group", panel.groups)
    save("mask", panel.masks)
    units = {k: u and [u.price, u.share, u.role] for k, u in panel.units.items()}
    write_json(folder / "manifest.json", {
        "arrays": items, "fingerprint": panel.fingerprint, "notes": dict(panel.notes),
        "group_names": dict(panel.group_names), "units": units,
    })  # fmt: skip


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

"""Opened panels on disk, as arrays that are mapped into memory and read when first touched.

A cached panel is one directory under `panels/`, never changed once it is there; the name holds a
hash of what it was made from (`arrays_key`) and of the state of its input files (`files_state`).
Under `opened/`, one small file per specification text and overrides leads straight to it, so that
opening a known panel parses no YAML and imports nothing heavy.

Every file's size and modification time is in the manifest: a file that was cut off or written to
is noticed, and the panel is built again. Writers fill a directory of their own and rename it, so
readers never see half a panel, and of two writers one wins (`cache_write`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphamine.operators import Unit

from .panel import Panel

FORMAT: Final = 1
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
    """A JSON file written by `cache_write.write_json`; None if it is absent or was damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["body"] if content["check"] == digest(content["body"]) else None
    except _BROKEN:
        return None


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

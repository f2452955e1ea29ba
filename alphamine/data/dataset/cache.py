"""Opened panels on disk, as arrays that are mapped into memory and read when first touched.

A cached panel is one directory under `panels/`, never changed once it is there; the name holds a
hash of what it was made from (`arrays_key`) and of the state of its input files (`files_state`).
Under `opened/`, one small file per specification text and overrides leads straight to it, so that
opening a known panel parses no YAML and imports nothing heavy.

Every file's size and times are in the manifest: a file that was cut off or written to is noticed,
and the panel is built again. Writers fill a directory of their own and rename it, so
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

from alphamine.data.panel import Panel
from alphamine.operators import Unit

FORMAT: Final = 2
# Smaller files are known by what is in them: to read one so takes a few milliseconds.
_READ_WHOLE: Final = 4 << 20
_BROKEN: Final = (OSError, ValueError, KeyError, TypeError, IndexError)


def digest(*parts: Any) -> str:
    """96-bit hexadecimal hash of JSON values."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def files_state(paths: Iterable[Path]) -> str:
    """Hash of the state of files (of all files in directories).

    A file of up to 4 MiB is known by its content, so one that was copied or touched is the same
    file. Reading more would take longer than opening a panel: a larger file, and every file of a
    directory, is known by its size and inode, when it was modified, and when its inode was changed.
    The last is set by the system alone: whoever writes to a file and sets its time back is noticed.
    """
    return digest([_state(str(path)) for path in paths])


def _state(path: str) -> list[Any]:
    if os.path.isdir(path):
        return [path, _folder_state(path)]
    status = os.stat(path)
    if status.st_size > _READ_WHOLE:
        return [path, *stamp(status)]
    return [path, hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()]


def _folder_state(path: str) -> list[Any]:
    with os.scandir(path) as entries:
        return [
            [entry.name, *([_folder_state(entry.path)] if entry.is_dir() else stamp(entry.stat()))]
            for entry in sorted(entries, key=lambda entry: entry.name)
        ]


def stamp(status: os.stat_result) -> list[int]:
    """What changes whenever a file is written to."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


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
            if stamp(path.stat()) != item["state"]:
                return None
            array: Any = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            if item["rows"]:
                array = np.broadcast_to(array, (item["rows"], array.shape[1]))
            arrays.setdefault(item["role"], {})[item["name"]] = array
        os.utime(folder)  # the least recently used panel goes first
        return Panel(
            dates=arrays["axis"]["dates"],
            symbols=arrays["axis"]["symbols"],
            columns=arrays["column"],
            universe=arrays["axis"]["universe"],
            groups=arrays.get("group", {}),
            masks=arrays.get("mask", {}),
            factor=arrays["axis"].get("factor"),
            fingerprint=manifest["fingerprint"],
            group_names={k: tuple(v) for k, v in manifest["group_names"].items()},
            units={k: None if v is None else Unit(*v) for k, v in manifest["units"].items()},
            notes=manifest["notes"],
        )
    except _BROKEN:
        return None

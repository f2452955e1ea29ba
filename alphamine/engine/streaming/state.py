"""A stream's state as one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from alphamine.errors import DataError, WorkFailed

from .history import Day, History

_FORMAT: Final = 1
_KEY: Final = "alphamine.stream"

Arrays = dict[str, npt.NDArray[Any]]


def write_state(path: Path, settings: Mapping[str, Any], history: History) -> None:
    """Write settings (JSON values) and days; a file that is there stays until all is on the disk.

    Raises
    ------
    WorkFailed
        If the file cannot be written.
    """
    arrays, dates = _packed(history)
    told = {**settings, "format": _FORMAT, "count": history.count, "dates": dates}
    told["everyone"] = [day.everyone for day in history.days]
    data = save(arrays, {_KEY: json.dumps(told)})
    own = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with own.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(own, path)
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        own.unlink(missing_ok=True)
        raise WorkFailed(
            f"the state {path} could not be written: {error}; what was there before is still there"
        ) from error


def read_state(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Settings and arrays of a state.

    Raises
    ------
    DataError
        If the file is none, is damaged, or is of another version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            told = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"there is no state {path}; write one with Stream.save") from None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is no state of a stream, or is damaged ({error!r:.120}); start a new stream "
            "from the panel"
        ) from None
    if told.get("format") != _FORMAT:
        raise DataError(
            f"states of format {_FORMAT} are read here, but {path} has {told.get('format')!r}; "
            "load it with the version of alphamine that wrote it"
        )
    return told, arrays


def _packed(history: History) -> tuple[Arrays, list[str]]:
    days = [day.widened(history.symbols) for day in history.days]
    arrays: Arrays = {"alive_before": history.before}
    if days:
        arrays["universe"] = np.array([day.universe for day in days])
        for role in ("fields", "present", "groups"):
            for name in sorted({name for day in days for name in getattr(day, role)}):
                rows = [getattr(day, role).get(name) for day in days]
                empty = np.zeros(history.symbols, dtype=bool)
                arrays[f"{role}/{name}"] = np.array([empty if r is None else r for r in rows])
    return arrays, [str(day.date) for day in days]


def unpacked(told: Mapping[str, Any], arrays: Arrays, limit: int) -> History:
    """The days of a state."""
    history = History(limit, len(arrays["alive_before"]))

    def of(role: str, row: int) -> dict[str, npt.NDArray[Any]]:
        start = len(role) + 1
        return {k[start:]: a[row] for k, a in arrays.items() if k.startswith(f"{role}/")}

    history.before = arrays["alive_before"]
    history.alive = history.before.copy()
    history.count = int(told["count"]) - len(told["dates"])
    for row, date in enumerate(told["dates"]):
        history.append(
            Day(
                np.datetime64(date, "D"),
                of("fields", row),
                of("present", row),
                of("groups", row),
                arrays["universe"][row],
                bool(told["everyone"][row]),
            )
        )
    return history

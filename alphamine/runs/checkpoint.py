"""Checkpoints: all that a study needs to go on, in files that a crash cannot spoil.

A checkpoint is a zip file of `state.json` and `arrays.safetensors`, written beside its place and
renamed when it is on the disk; arrays are named by their place in the state
(`islands/0/searcher/learner/parameters/head.weight`). It only saves time: what it lacks is in the
ledger, so one that is damaged or ahead of the ledger is passed over for an older one, or for the
beginning.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from alphamine.errors import SearchError, WorkFailed

FOLDER: Final = "checkpoints"
_FORMAT: Final = 5
_KEPT: Final = 3
_ARRAY: Final = "$array"
_STATE: Final = "state.json"
_ARRAYS: Final = "arrays.safetensors"
# `zipfile` says RuntimeError of what it cannot read: other methods of compression, passwords.
_DAMAGE: Final = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    SafetensorError,
)

Arrays = dict[str, npt.NDArray[Any]]


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    directory : Path
        Of the run.
    run : str
        Identity of the run: a checkpoint of another one is not taken for its own.
    """

    def __init__(self, directory: Path, run: str) -> None:
        self._folder = directory / FOLDER
        self._run = run

    def write(self, evaluations: int, state: Mapping[str, Any]) -> None:
        """Keep a state that belongs to so many recorded evaluations.

        Parameters
        ----------
        evaluations : int
        state : mapping
            JSON values and numpy arrays.

        Raises
        ------
        SearchError
            If the state holds anything else.
        WorkFailed
            If the file cannot be written.
        """
        arrays: Arrays = {}
        body = {
            "format": _FORMAT,
            "run": self._run,
            "evaluations": evaluations,
            "state": _without_arrays(state, arrays, ""),
        }
        try:
            text = json.dumps(body, separators=(",", ":"))
        except TypeError as error:
            raise SearchError(
                f"a state_dict holds JSON values and numpy arrays only: {error}"
            ) from None
        path = self._folder / f"{evaluations:012d}.zip"
        own = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._folder.mkdir(exist_ok=True)
            with own.open("wb") as file:
                _write_zip(file, text, arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(own, path)
            _synchronize(self._folder)
        except OSError as error:
            with suppress(OSError):
                own.unlink()
            raise WorkFailed(
                f"the checkpoint {path} could not be written: {error}; every evaluation is "
                "recorded: free space, then `alphamine resume`"
            ) from error
        for old in [*self._files()[_KEPT:], *self._folder.glob("*.tmp")]:
            old.unlink(missing_ok=True)

    def latest(self, evaluations: int) -> tuple[int, dict[str, Any]] | None:
        """The newest sound checkpoint of at most so many evaluations: its number and its state."""
        for path in self._files():
            try:
                body, arrays = _read_zip(path)
                number = int(body["evaluations"])
                fitting = (body["format"], body["run"]) == (_FORMAT, self._run)
                if fitting and number <= evaluations:
                    return number, _with_arrays(body["state"], arrays)
            except _DAMAGE:
                continue
        return None

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob("*.zip"), reverse=True)


def _write_zip(file: Any, text: str, arrays: Arrays) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_STATE, text)
        archive.writestr(_ARRAYS, save(arrays))


def _read_zip(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The content; `zipfile` holds every byte of it to a check sum."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(_STATE)), load(archive.read(_ARRAYS))


def _without_arrays(value: Any, arrays: Arrays, place: str) -> Any:
    """The value with its arrays moved out, and their names in their places."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise SearchError(f"a state_dict holds arrays of numbers, but one is {value.dtype}")
        arrays[place] = np.require(value, requirements="C")
        return {_ARRAY: place}
    if isinstance(value, Mapping):
        return {k: _without_arrays(v, arrays, _below(place, k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(v, arrays, _below(place, i)) for i, v in enumerate(value)]
    return value


def _below(place: str, key: object) -> str:
    return f"{place}/{key}" if place else str(key)


def _with_arrays(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _with_arrays(inner, arrays) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_arrays(inner, arrays) for inner in value]
    return value


def _synchronize(folder: Path) -> None:
    """Make the renamed entry survive a power cut, where directories can be synchronised."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

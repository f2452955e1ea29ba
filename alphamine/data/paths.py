"""Paths in specifications, and where panels and ledgers are kept. Imports nothing heavy."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from alphamine.errors import DataError

_MAX_BYTES: Final = 1 << 20
_TABLES: Final = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def resolve(text: str, folder: Path) -> Path:
    """An absolute path from one written in a specification.

    `${NAME}` and `${NAME:-default}` are environment variables. A relative path starts at `folder`
    (where the specification is); if it comes from a variable, at the current directory.

    Raises
    ------
    DataError
        If a variable is not set, or a home is not known.
    """
    start = folder
    leading = _VARIABLE.match(text)
    if leading and os.environ.get(leading[1]):
        start = here()
    path = _VARIABLE.sub(_value, text)
    try:
        return Path(os.path.normpath(start / Path(path).expanduser()))
    except RuntimeError:
        raise DataError(
            f"~ stands for the home of a user, but nobody knows that of {path!r}; write it out"
        ) from None


def here() -> Path:
    """The current directory.

    Raises
    ------
    DataError
        If it was deleted.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise DataError(
            "a relative path starts at the current directory, which was deleted; change to one "
            "that is there"
        ) from None


def variables(text: str) -> dict[str, str | None]:
    """The environment variables that a specification mentions, and their values."""
    return {match[1]: os.environ.get(match[1]) for match in _VARIABLE.finditer(text)}


def _value(match: re.Match[str]) -> str:
    value = os.environ.get(match[1]) or match[2]
    if value is None:
        raise DataError(
            f"the specification needs the environment variable {match[1]}, which is not set; "
            f"set it, or write ${{{match[1]}:-default}}"
        )
    return value


def read_text(path: Path) -> str:
    """The text of a specification file.

    Raises
    ------
    DataError
        If it is missing, is no text, or is too large to be a specification.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} is larger than {_MAX_BYTES} bytes: not a specification")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"there is no specification file {path}") from None
    except IsADirectoryError:
        raise DataError(
            f"{path} is a folder; give the YAML file that describes a dataset or a job"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the specification {path}: {error}") from None


def table_kind(path: Path) -> str | None:
    """What a path names by its ending: "csv" (perhaps compressed), "parquet", or no table."""
    name = path.name.lower()
    for packed in (".gz", ".bz2", ".zst"):
        name = name.removesuffix(packed)
    return _TABLES.get(os.path.splitext(name)[1])


def cache_folder() -> Path | None:
    """Where opened panels are kept; None if `ALPHAMINE_CACHE` is "off", or the user has no home."""
    return _folder(
        "ALPHAMINE_CACHE",
        {
            "win32": ("LOCALAPPDATA", "AppData/Local", "alphamine"),
            "darwin": ("", "Library/Caches", "alphamine"),
        }.get(sys.platform, ("XDG_CACHE_HOME", ".cache", "alphamine")),
    )


def ledger_folder() -> Path | None:
    """Where ledgers of datasets are; None if `ALPHAMINE_LEDGER` is "off", or without a home."""
    return _folder(
        "ALPHAMINE_LEDGER",
        {
            "win32": ("LOCALAPPDATA", "AppData/Local", "alphamine/ledgers"),
            "darwin": ("", "Library/Application Support", "alphamine/ledgers"),
        }.get(sys.platform, ("XDG_STATE_HOME", ".local/state", "alphamine/ledgers")),
    )


def _folder(chooser: str, platform: tuple[str, str, str]) -> Path | None:
    """What an environment variable says, else the platform's: a variable, or a place below home."""
    chosen = os.environ.get(chooser)
    if chosen:
        return None if chosen == "off" else Path(chosen)
    variable, below, name = platform
    base = os.environ.get(variable)
    if not base:
        # Unlike `Path.home`, it leaves a home that nobody knows as it stands, and raises nothing.
        home = os.path.expanduser("~")
        if home == "~":
            return None
        base = os.path.join(home, below)
    return Path(base) / name
